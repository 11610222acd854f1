#!/bin/sh
# Starts Prometheus on loopback, runs the gate on it, and ends it again.
# Usage: PROMETHEUS=path/to/prometheus run.sh path/to/leakgate [flags of run]
set -eu
here=$(dirname "$0")
leakgate=$1
shift
data=$(mktemp -d)
"${PROMETHEUS:-prometheus}" --config.file="$here/prometheus.yml" --storage.tsdb.path="$data" \
	--web.listen-address=127.0.0.1:9090 --log.level=error &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$data"' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10; do
	"$leakgate" check "$here/plan.yaml" >/dev/null 2>&1 && break
	sleep 1
done
"$leakgate" run "$here/plan.yaml" "$@"
