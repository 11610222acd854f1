#!/usr/bin/env bash
# image.sh STATIC_BINARY NAME:TAG: puts an image that holds nothing but that binary, as its
# entrypoint, into the running cluster's containerd. Pods need imagePullPolicy: Never.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ $# = 2 ] || die "usage: image.sh STATIC_BINARY NAME:TAG, with a whole name such as localhost/app:dev"
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT
mkdir -p "$d/root/tmp" "$d/out"
chmod 1777 "$d/root/tmp"
install -m 755 "$1" "$d/root/app"
tar -C "$d/root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$d/out/layer.tar" app tmp
sum=$(sha256sum "$d/out/layer.tar")
sum=${sum%% *}
cat >"$d/out/config.json" <<J
{"architecture": "$(go env GOARCH)", "os": "linux", "config": {"Entrypoint": ["/app"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$sum"]}}
J
echo "[{\"Config\": \"config.json\", \"RepoTags\": [\"$2\"], \"Layers\": [\"layer.tar\"]}]" >"$d/out/manifest.json"
tar -C "$d/out" -cf "$d/image.tar" manifest.json config.json layer.tar
ctr_ images import "$d/image.tar" >/dev/null
