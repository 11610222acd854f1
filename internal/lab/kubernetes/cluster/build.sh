#!/usr/bin/env bash
# build.sh: builds the cluster's parts into the cache, if they are not there in the version
# that components/go.mod asks for. Minutes the first time.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
command -v go >/dev/null || die "there is no go"
ver=$(sed -n 's/^\tk8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' "$here/components/go.mod")
if [ ! -x "$bin/kubeall" ] || [ "$(cat "$bin/kubeall.version" 2>/dev/null)" != "$ver" ]; then
	echo "kubernetes lab: building Kubernetes $ver, which takes minutes the first time" >&2
	minor=${ver#v1.}
	minor=${minor%%.*}
	v=k8s.io/component-base/version
	# -p 2: the linker and the largest packages take gigabytes each.
	(cd "$here/components" && CGO_ENABLED=0 go build -p 2 -buildvcs=false -trimpath \
		-ldflags "-s -w -X $v.gitVersion=$ver -X $v.gitMajor=1 -X $v.gitMinor=$minor" -o "$bin/kubeall.new" .)
	mv "$bin/kubeall.new" "$bin/kubeall"
	echo "$ver" >"$bin/kubeall.version"
fi
for n in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl cri-clean; do
	ln -sf kubeall "$bin/$n"
done
[ -x "$bin/pause" ] || (cd "$here/pause" && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$bin/pause" .)
