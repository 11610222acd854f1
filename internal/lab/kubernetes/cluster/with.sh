#!/usr/bin/env bash
# with.sh COMMAND...: runs a command while the cluster is up, with KUBERNETES_LAB, the folder
# of its binaries and state. A cluster that was not up before is ended afterwards, whatever
# came of the command.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
if ! running kube-apiserver; then
	trap '"$here/down.sh"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
fi
"$here/up.sh" >/dev/null
KUBERNETES_LAB=$KC_CACHE "$@"
