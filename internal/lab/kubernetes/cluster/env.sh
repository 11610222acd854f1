# Shared by the other scripts here; sourced, not run.
# KC_CACHE holds the binaries, which are worth keeping; KC_STATE all of a running cluster.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
KC_CACHE=${KC_CACHE:-$here/../../../../.cache/kubernetes}
KC_PORT=${KC_PORT:-16400}   # first of a block of ports, all on 127.0.0.1
KC_NET=${KC_NET:-10.244.77} # first three numbers of the pods' addresses, on the bridge
KC_SVC=${KC_SVC:-10.96.77}  # first three numbers of the Services' addresses
KC_BRIDGE=${KC_BRIDGE:-kc0}
mkdir -p "$KC_CACHE/bin"
KC_CACHE=$(cd "$KC_CACHE" && pwd)
KC_STATE=${KC_STATE:-$KC_CACHE/state}
export KC_CACHE KC_STATE KC_PORT KC_NET KC_SVC KC_BRIDGE
bin=$KC_CACHE/bin
S=$KC_STATE
CTR_SOCK=$S/run/containerd.sock
api=https://127.0.0.1:$KC_PORT
export KUBECONFIG=$S/kubeconfig

die() {
	echo "kubernetes lab: $*" >&2
	exit 1
}

ctr_() { ctr --address "$CTR_SOCK" --namespace k8s.io "$@"; }

# running NAME: whether the process that up.sh wrote down as NAME still runs. A zombie does
# not, nor another program that has got its number.
running() {
	local p
	p=$(cat "$S/run/$1.pid" 2>/dev/null) || return 1
	tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | grep -q "$1"
}
