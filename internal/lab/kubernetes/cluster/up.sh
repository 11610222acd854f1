#!/usr/bin/env bash
# up.sh: builds what is missing, starts a cluster of one node on 127.0.0.1, and waits until
# the node is ready. It prints KUBECONFIG=FILE. If some parts run already, it starts the
# others.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
"$here/needs.sh"
"$here/build.sh"
etcd=http://127.0.0.1:$((KC_PORT + 1))

# The kubelet owns the cgroup kubepods, so that a machine has room for one cluster.
if [ ! -d "$S" ] && curl -ksS -m 2 -o /dev/null "$api/livez" 2>/dev/null; then
	die "port $KC_PORT is taken, by another cluster of this lab? There can be one at a time"
fi

files() {
	mkdir -p "$S"/{run,log,pki,etcd,kubelet,cni,containerd}
	chmod 700 "$S" "$S/etcd"
	[ -s "$S/pki/sa.key" ] || openssl genrsa -out "$S/pki/sa.key" 2048 2>/dev/null
	[ -s "$S/pki/token" ] || openssl rand -hex 24 >"$S/pki/token"
	echo "$(cat "$S/pki/token"),admin,admin,system:masters" >"$S/pki/tokens.csv"
	cat >"$KUBECONFIG" <<F
apiVersion: v1
kind: Config
current-context: lab
contexts: [{name: lab, context: {cluster: lab, user: admin}}]
clusters: [{name: lab, cluster: {server: "$api", certificate-authority: pki/apiserver.crt}}]
users: [{name: admin, user: {token: "$(cat "$S/pki/token")"}}]
F
	# restrict_oom_score_adj: without CAP_SYS_RESOURCE runc cannot lower the score, and fails.
	cat >"$S/containerd.toml" <<F
version = 2
root = "$S/containerd"
state = "$S/run/containerd"
[grpc]
  address = "$CTR_SOCK"
[plugins."io.containerd.internal.v1.opt"]
  path = "$S/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:dev"
  stream_server_address = "127.0.0.1"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "$S/cni"
F
	# Pods get no default route, so that nothing of theirs leaves the machine.
	cat >"$S/cni/10-lab.conflist" <<F
{"cniVersion": "0.4.0", "name": "lab", "plugins": [
 {"type": "bridge", "bridge": "$KC_BRIDGE", "isGateway": true, "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "$S/cni/ipam",
           "ranges": [[{"subnet": "$KC_NET.0/24", "gateway": "$KC_NET.1"}]],
           "routes": [{"dst": "$KC_SVC.0/24"}]}}]}
F
	# failCgroupV1: the kubelet of 1.37 refuses cgroup v1 without it.
	cat >"$S/kubelet.yaml" <<F
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $((KC_PORT + 3))
healthzPort: $((KC_PORT + 4))
readOnlyPort: 0
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$CTR_SOCK
cgroupDriver: cgroupfs
failCgroupV1: false
makeIPTablesUtilChains: false
failSwapOn: false
podLogsDir: $S/log/pods
volumePluginDir: $S/kubelet/flex
imageGCHighThresholdPercent: 100
evictionHard: {imagefs.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%"}
F
}

# What the kubelet and the bridge plugin change, for down.sh to put back.
sysctls="net/ipv4/ip_forward vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops
	kernel/keys/root_maxkeys kernel/keys/root_maxbytes"
save_sysctls() {
	[ -s "$S/sysctl.saved" ] && return
	for k in $sysctls; do echo "$k $(cat /proc/sys/"$k")"; done >"$S/sysctl.saved"
}

# The bridge is made before the first pod, so that the node has an address of its own.
bridge() {
	ip link show "$KC_BRIDGE" >/dev/null 2>&1 || ip link add "$KC_BRIDGE" type bridge
	ip addr replace "$KC_NET.1/24" dev "$KC_BRIDGE"
	ip link set "$KC_BRIDGE" up
	ip route replace "$KC_SVC.0/24" dev "$KC_BRIDGE"
}

start() { # NAME COMMAND...
	local n=$1
	shift
	running "$n" && return
	setsid "$@" >>"$S/log/$n.log" 2>&1 </dev/null &
	echo $! >"$S/run/$n.pid"
}

wait_for() { # SECONDS WHAT PROCESS COMMAND...
	local end=$(($(date +%s) + $1)) what=$2 proc=$3
	shift 3
	until "$@" >/dev/null 2>&1; do
		if ! running "$proc"; then
			tail -n 5 "$S/log/$proc.log" >&2
			die "$proc ended while waiting for $what"
		elif [ "$(date +%s)" -ge $end ]; then
			tail -n 5 "$S/log/$proc.log" >&2
			die "no $what in time; the logs are in $S/log"
		fi
		sleep 0.1
	done
}

node_ready() {
	local path='{.status.conditions[?(@.type=="Ready")].status}{.spec.taints}'
	[ "$("$bin/kubectl" get node localhost -o "jsonpath=$path")" = True ]
}

began=$(date +%s)
[ -s "$KUBECONFIG" ] || files
save_sysctls
bridge
start containerd containerd --config "$S/containerd.toml"
peer=http://127.0.0.1:$((KC_PORT + 2))
start etcd "$bin/etcd" --name lab --data-dir "$S/etcd" --listen-client-urls "$etcd" --advertise-client-urls "$etcd" \
	--listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "lab=$peer" \
	--log-level warn --unsafe-no-fsync
start kube-apiserver "$bin/kube-apiserver" --etcd-servers "$etcd" --bind-address 127.0.0.1 --secure-port "$KC_PORT" \
	--cert-dir "$S/pki" --token-auth-file "$S/pki/tokens.csv" --authorization-mode Node,RBAC --allow-privileged \
	--service-account-issuer https://kubernetes.default.svc --service-account-key-file "$S/pki/sa.key" \
	--service-account-signing-key-file "$S/pki/sa.key" --service-cluster-ip-range "$KC_SVC.0/24" \
	--endpoint-reconciler-type none --kubelet-preferred-address-types Hostname
wait_for 60 "answer from containerd" containerd ctr_ version
ctr_ images ls -q | grep -qx localhost/pause:dev || "$here/image.sh" "$bin/pause" localhost/pause:dev
wait_for 180 "API server that is ready" kube-apiserver curl -fsS --cacert "$S/pki/apiserver.crt" "$api/readyz"
start kubelet "$bin/kubelet" --config "$S/kubelet.yaml" --kubeconfig "$KUBECONFIG" --root-dir "$S/kubelet" \
	--cert-dir "$S/kubelet/pki" --hostname-override localhost --node-ip "$KC_NET.1"
start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig "$KUBECONFIG" --leader-elect=false \
	--secure-port 0 --root-ca-file "$S/pki/apiserver.crt" --service-account-private-key-file "$S/pki/sa.key"
start kube-scheduler "$bin/kube-scheduler" --kubeconfig "$KUBECONFIG" --leader-elect=false --secure-port 0
wait_for 180 "node that is ready" kubelet node_ready
wait_for 60 "default service account" kube-controller-manager "$bin/kubectl" -n default get serviceaccount default
echo "kubernetes lab: ready after $(($(date +%s) - began)) s" >&2
echo "KUBECONFIG=$KUBECONFIG"
