#!/usr/bin/env bash
# Builds the image of the Dockerfile from bin/image, without a registry, and runs leakgate in
# it as its own user. Without buildah, or without the right to use it, the parts are checked
# instead: the Dockerfile's text, the root file system, and leakgate with that as its root.
# Usage: internal/lab/image/test.sh, after make image
set -euo pipefail
cd "$(dirname "$0")/../../.."
work=$(mktemp -d)
server='' container='' proc=''
inside=() # what runs a command in the image as its user, with the volumes of a server
builder=(buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run")

clean() {
	if [ -n "$server" ]; then # a process group: buildah starts others, and hands no signal on
		kill -- -"$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	if [ -n "$proc" ]; then umount -l "$proc"; fi
	if [ -n "$container" ]; then "${builder[@]}" rm "$container" >/dev/null; fi
	rm -rf --one-file-system "$work"
}
trap clean EXIT

fail() {
	echo "image-test: $1"
	exit 1
}

# The configuration is the same in every stage that ends in an image.
config() {
	[ "$(grep -c '^USER 65532:65532$' Dockerfile)" = 2 ] || fail "a stage of the Dockerfile runs as root"
	[ "$(grep -c '^ENTRYPOINT \["/leakgate"\]$' Dockerfile)" = 2 ] || fail "a stage has another entrypoint"
	[ "$(grep -c '^FROM scratch' Dockerfile)" = 2 ] || fail "a stage is not from scratch"
}

# contents ROOT: leakgate, static; certificates; a /tmp for everybody; and nothing else.
contents() {
	local files
	files=$(cd "$1" && find . -type f | sort | tr '\n' ' ')
	[ "$files" = "./etc/ssl/certs/ca-certificates.crt ./leakgate " ] || fail "the image has $files"
	[ "$(stat -c %a "$1/tmp")" = 1777 ] || fail "/tmp is not everybody's"
	[ -z "$(find "$1" -perm /6000)" ] || fail "a file is set-user-id"
	if ldd "$1/leakgate" >/dev/null 2>&1; then fail "leakgate needs libraries that are not there"; fi
}

built() {
	"${builder[@]}" build --isolation chroot --target prebuilt -t leakgate-test . >"$work/log" 2>&1 || {
		cat "$work/log"
		fail "buildah could not build it"
	}
	container=$("${builder[@]}" from leakgate-test)
	local root user
	user=$("${builder[@]}" inspect --type image --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}}' leakgate-test)
	[ "$user" = "65532:65532 [/leakgate]" ] || fail "the image is configured as $user"
	root=$("${builder[@]}" mount "$container")
	contents "$root"
	"${builder[@]}" umount "$container" >/dev/null
	"${builder[@]}" push leakgate-test "oci-archive:$work/image.tar" >/dev/null 2>&1 || fail "it cannot be exported"
	inside=("${builder[@]}" run --isolation chroot -v "$work/state:/state" -v "$work/token:/token:ro" "$container" --)
	echo "image-test: built by $(buildah --version | cut -d' ' -f1-3), compressed $(($(stat -c %s "$work/image.tar") / 1000000)) MB"
}

parts() {
	contents bin/image
	cp -a bin/image "$work/root"
	install -d -o 65532 -g 65532 "$work/root/state"
	install -D -m 444 "$work/token" "$work/root/token"
	mkdir "$work/root/proc" # a process finds its own program there, as in every container
	mount --bind /proc "$work/root/proc" || fail "/proc cannot be mounted"
	proc=$work/root/proc
	inside=(chroot --userspec=65532:65532 "$work/root")
	echo "image-test: SKIPPED the build, $1; checked by its parts"
}

[ -x bin/image/leakgate ] || fail "there is no bin/image/leakgate; run make image"
[ "$(id -u)" = 0 ] || fail "only root may run leakgate in another root as another user"
config
chmod 755 "$work"
install -d -o 65532 -g 65532 "$work/state"
echo 0123456789abcdef0123 >"$work/token"
chmod 444 "$work/token"
if [ -n "${PARTS:-}" ]; then
	parts "as PARTS says"
elif command -v buildah >/dev/null; then
	built
else
	parts "there is no buildah"
fi
echo "image-test: leakgate is $(($(stat -c %s bin/image/leakgate) / 1000000)) MB, certificates $(($(stat -c %s bin/image/etc/ssl/certs/ca-certificates.crt) / 1000)) kB"

"${inside[@]}" /leakgate version
port=$((20000 + RANDOM % 20000))
setsid "${inside[@]}" /leakgate serve --address 127.0.0.1:$port --state /state --token-file /token >"$work/log" 2>&1 &
server=$!
for _ in $(seq 50); do
	if curl -fsS "http://127.0.0.1:$port/readyz" >/dev/null 2>&1; then break; fi
	sleep 0.2
done
answer=$(curl -fsS -H "Authorization: Bearer 0123456789abcdef0123" "http://127.0.0.1:$port/runs") || {
	cat "$work/log"
	fail "leakgate serve does not answer"
}
[ "$answer" = '{
  "runs": []
}' ] || fail "leakgate serve answered $answer"
[ "$(stat -c %u "$(find "$work" -xdev -path '*state/lock' | head -n 1)")" = 65532 ] || fail "leakgate serve runs as another user"
echo "image-test: ok, leakgate serve answers as user 65532"
