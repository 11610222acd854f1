#!/usr/bin/env bash
# down.sh: ends the cluster that up.sh started, and removes all of it but the binaries. It
# ends only processes that up.sh wrote down, and the pods' own.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ -d "$S" ] || exit 0
[ "$(id -u)" = 0 ] || die "only root can end the cluster"

stop() { # NAME [SIGNAL]
	running "$1" || return 0
	kill -"${2:-TERM}" "$(cat "$S/run/$1.pid")"
	for _ in $(seq 200); do
		running "$1" || break
		sleep 0.05
	done
	running "$1" && kill -KILL "$(cat "$S/run/$1.pid")"
	rm -f "$S/run/$1.pid"
}

# clean_pods removes the pods. They outlive containerd, which is then needed once more.
clean_pods() {
	[ -s "$S/containerd.toml" ] && [ -x "$bin/cri-clean" ] || return 0
	if ! running containerd; then
		setsid containerd --config "$S/containerd.toml" >>"$S/log/containerd.log" 2>&1 </dev/null &
		echo $! >"$S/run/containerd.pid"
		for _ in $(seq 100); do
			ctr_ version >/dev/null 2>&1 && break
			sleep 0.1
		done
	fi
	"$bin/cri-clean" "unix://$CTR_SOCK"
}

stop kube-scheduler KILL # their state goes anyway
stop kube-controller-manager KILL
stop kubelet
clean_pods
stop containerd
stop kube-apiserver KILL
stop etcd KILL
awk -v s="$S/" 'index($2, s) == 1 {print $2}' /proc/mounts | sort -r | while read -r m; do umount -l "$m"; done
ip link del "$KC_BRIDGE" 2>/dev/null
find /var/log/containers -lname "$S/*" -delete 2>/dev/null
for d in /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods; do
	[ -d "$d" ] && find "$d" -depth -type d -exec rmdir {} + 2>/dev/null
done
[ -s "$S/sysctl.saved" ] && while read -r k v; do echo "$v" >"/proc/sys/$k"; done <"$S/sysctl.saved"
if grep -qs "$S/" /proc/mounts; then die "something is mounted under $S, which therefore stays"; fi
rm -rf --one-file-system "$S"
