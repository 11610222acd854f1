#!/usr/bin/env bash
# Builds and starts the sample shop on free ports of loopback, waits until it
# listens, and prints where it is:
#   SHOP_URL=http://127.0.0.1:40001
#   SHOP_ADMIN=http://127.0.0.1:40002
#   SHOP_PID=4711
# Arguments are the shop's: start.sh -leak send. Whoever starts it ends it, with
# kill $SHOP_PID; it outlives the terminal that it was started from, as a step of
# a job has to.
set -euo pipefail
shop=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/shop.XXXXXX")
go build -C "$shop" -o "$place/shop" ./cmd/shop
nohup "$place/shop" -addr 127.0.0.1:0 -admin 127.0.0.1:0 "$@" >"$place/log" 2>&1 </dev/null &
pid=$!
for _ in $(seq 100); do
	if line=$(grep '^shop on ' "$place/log"); then
		line=${line#shop on }
		echo "SHOP_URL=${line%%,*}"
		echo "SHOP_ADMIN=${line##* }"
		echo "SHOP_PID=$pid"
		exit 0
	fi
	kill -0 "$pid" 2>/dev/null || break
	sleep 0.1
done
cat "$place/log" >&2
kill "$pid" 2>/dev/null || true
exit 1
