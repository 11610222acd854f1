#!/usr/bin/env bash
# needs.sh: says what this machine lacks for the cluster, all of it, and ends with 1 then.
set -euo pipefail
missing=() packages=()
[ "$(uname -s)" = Linux ] || missing+=("Linux")
if [ "$(id -u)" != 0 ]; then
	missing+=("root")
else
	unshare --mount --net true 2>/dev/null || missing+=("the right to make namespaces")
	[ -w /sys/fs/cgroup/memory ] || # cgroup v1; otherwise v2
		{ [ -w /sys/fs/cgroup ] && grep -qsw memory /sys/fs/cgroup/cgroup.controllers; } ||
		missing+=("a memory cgroup that can be written to")
fi
command -v go >/dev/null || missing+=("go")
for pair in containerd:containerd ctr:containerd runc:runc ip:iproute2 openssl:openssl curl:curl; do
	command -v "${pair%%:*}" >/dev/null || { missing+=("${pair%%:*}") && packages+=("${pair##*:}"); }
done
[ -x /usr/lib/cni/bridge ] || { missing+=("/usr/lib/cni/bridge") && packages+=("containernetworking-plugins"); }
[ ${#missing[@]} = 0 ] && exit
list=$(printf ', %s' "${missing[@]}")
echo "kubernetes lab: this machine lacks ${list:2}" >&2
[ ${#packages[@]} = 0 ] || echo "kubernetes lab: apt-get install -y $(printf '%s\n' "${packages[@]}" | sort -u | xargs)" >&2
exit 1
