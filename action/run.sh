#!/usr/bin/env bash
# What the steps of action.yml run:
#   run.sh check   refuses what cannot work, before anything is installed
#   run.sh run     gets leakgate, runs the plan, and applies fail-on
# Everything comes in by environment variables: LEAKGATE_* from the inputs, the
# rest from the runner. Written for bash 3.2, which is what macOS has.
set -euo pipefail

action=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
child=
interrupted=
results= # a file in which leakgate says what became of this run
stamp=   # a file from just before it

# say LEVEL MESSAGE prints a workflow command. A message may quote an input,
# which must not be able to end the line and begin a command of its own.
say() {
	local text=$2
	text=${text//'%'/%25}
	text=${text//$'\r'/%0D}
	text=${text//$'\n'/%0A}
	echo "::$1 title=leakgate::$text"
}

die() {
	say error "$1"
	exit 2
}

# platform is the runner's, in Go's words.
platform() {
	local os arch
	case ${RUNNER_OS:-$(uname -s)} in
	Linux) os=linux ;;
	macOS | Darwin) os=darwin ;;
	*) die "this action runs on Linux and macOS, not on ${RUNNER_OS:-$(uname -s)}; let a job on ubuntu-latest load the deployment" ;;
	esac
	case ${RUNNER_ARCH:-$(uname -m)} in
	X64 | x86_64) arch=amd64 ;;
	ARM64 | arm64 | aarch64) arch=arm64 ;;
	*) arch=${RUNNER_ARCH:-$(uname -m)} ;;
	esac
	echo "${os}_$arch"
}

# checksum NAME prints the committed SHA-256 of a release file, if there is one.
checksum() {
	awk -v name="$1" '!/^#/ && $2 == name { print $1; exit }' "$action/action/checksums.txt"
}

check() {
	local on
	on=$(platform) || { echo "$on"; exit 2; }
	case ${LEAKGATE_FAIL_ON:=fail} in
	fail | leak | never) ;;
	*) die "fail-on is \"$LEAKGATE_FAIL_ON\"; it can be fail, leak or never" ;;
	esac
	[ -d "${LEAKGATE_DIRECTORY:=.}" ] || die "directory \"$LEAKGATE_DIRECTORY\" is not a folder; is actions/checkout before this step?"
	if [ -n "${LEAKGATE_VERSION:=}" ]; then
		[ -n "$(checksum "leakgate_${LEAKGATE_VERSION}_$on")" ] ||
			die "no release binary of leakgate \"$LEAKGATE_VERSION\" is known for $on; leave version empty, and the action builds its own source"
	fi
}

# build compiles the action's own source, apart from what the job sets for its
# own builds. Go's build cache makes the second time quick.
build() {
	local stamp=false
	command -v go >/dev/null || die "there is no Go on this runner to build leakgate with; set setup-go: true"
	if git -C "$action" rev-parse --verify --quiet HEAD >/dev/null 2>&1; then stamp=auto; fi
	env -u GOOS -u GOARCH -u GOEXPERIMENT GOWORK=off CGO_ENABLED=0 \
		go build -C "$action" -mod=readonly "-buildvcs=$stamp" -o "$1" ./cmd/leakgate ||
		die "leakgate could not be built with $(go version); set setup-go: true for the version that it needs"
}

# download fetches a release binary and refuses one whose checksum differs.
download() {
	local name want got
	name=leakgate_${LEAKGATE_VERSION}_$(platform)
	want=$(checksum "$name")
	curl --fail --silent --show-error --location --retry 3 --output "$1" \
		"${LEAKGATE_RELEASES:-https://github.com/leakgate/leakgate/releases/download}/$LEAKGATE_VERSION/$name" ||
		die "$name could not be downloaded"
	if command -v sha256sum >/dev/null; then got=$(sha256sum "$1"); else got=$(shasum -a 256 "$1"); fi
	if [ "${got%% *}" != "$want" ]; then
		rm -f "$1"
		die "$name has checksum ${got%% *}, and the action knows it with $want; it was not run"
	fi
	chmod +x "$1"
}

# output NAME prints what leakgate has written to GITHUB_OUTPUT under that name.
output() {
	awk -v name="$1" '
		end != "" { if ($0 == end) end = ""; else if (mine) value = $0; next }
		index($0, name "=") == 1 { value = substr($0, length(name) + 2); next }
		match($0, /^[A-Za-z_-]+<</) { mine = substr($0, 1, RLENGTH - 2) == name; end = substr($0, RLENGTH + 1) }
		END { print value }' "$GITHUB_OUTPUT"
}

# result NAME prints what this very run of leakgate has said of itself. A release
# that is older than the action says it in the outputs alone.
result() {
	if [ -s "$results" ]; then
		awk -v name="$1" 'index($0, name "=") == 1 { print substr($0, length(name) + 2); exit }' "$results"
	elif [ "$1" = outcome ]; then
		output outcome
	fi
}

# judged STATUS turns a 0 without a verdict of this very run into 2: leakgate ended
# well, but it was asked for something else than a run, as args: --help does. Like a
# plan that is wrong, it fails whatever fail-on says.
judged() {
	local outcome directory
	outcome=$(result outcome)
	directory=$(result directory)
	if [ "$1" != 0 ]; then return "$1"; fi
	if [ -z "$outcome" ]; then
		say error "leakgate ended without a verdict: nothing was loaded; is there a --help, or another command, in args?"
		return 2
	fi
	if [ -n "$directory" ] && { [ ! -f "$directory/verdict.json" ] || [ "$stamp" -nt "$directory/verdict.json" ]; }; then
		say error "leakgate says $outcome, and $directory/verdict.json is not of this run"
		return 3
	fi
	if [ -s "$results" ] && [ "$outcome" != pass ]; then
		say error "leakgate ended with 0, and its verdict is $outcome"
		return 3
	fi
}

# fill adds the outputs that leakgate did not write itself: an outcome where
# nothing was judged or --github is off, and the run directory for the artifact.
fill() {
	local outcome=error report directory
	case $1 in
	0) outcome=pass ;;
	1) outcome=fail ;;
	3) outcome=inconclusive ;;
	esac
	# A pass that could not be reported in full ends with 3: it is none.
	if [ -z "$(output outcome)" ] || { [ "$1" = 3 ] && [ "$(output outcome)" = pass ]; }; then
		echo "outcome=$outcome" >>"$GITHUB_OUTPUT"
	fi
	directory=$(result directory)
	report=$(output report)
	if [ -n "$directory" ] && [ -d "$directory" ]; then
		echo "run-directory=$directory" >>"$GITHUB_OUTPUT"
	elif [ -n "$report" ] && [ -e "$report" ]; then
		echo "run-directory=$(cd "$(dirname "$report")" && pwd)" >>"$GITHUB_OUTPUT"
	fi
}

# supervise runs a command and hands the runner's cancellation on to it, so that
# a cancelled run still writes its reports.
supervise() {
	local code=0
	trap 'interrupted=yes; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true' INT TERM
	"$@" &
	child=$!
	wait "$child" || code=$?
	while [ -n "$interrupted" ] && kill -0 "$child" 2>/dev/null; do # a signal ends wait, not the child
		code=0
		wait "$child" || code=$?
	done
	child=
	return "$code"
}

# policy turns leakgate's exit status into the step's.
policy() {
	case $LEAKGATE_FAIL_ON:$1 in
	never:1)
		say warning "goroutines leak; fail-on: never lets the job go on"
		return 0
		;;
	leak:3 | never:3)
		say warning "leakgate could not tell whether goroutines leak; fail-on: $LEAKGATE_FAIL_ON lets the job go on, but this was no pass"
		return 0
		;;
	esac
	return "$1"
}

# offers COMMAND FLAG tells whether leakgate run has a flag: a release may be
# older than the action.
offers() {
	"$1" run --help | grep -q -e "$2"
}

run() {
	local bin line code=0 args
	check
	export TERM=dumb # a log, even on a runner that gives its steps a terminal
	bin=${RUNNER_TEMP:?is not set}/leakgate-action/leakgate
	mkdir -p "$(dirname "$bin")"
	if [ -n "$LEAKGATE_VERSION" ]; then download "$bin"; else build "$bin"; fi
	"$bin" version
	args=()
	if [ "$LEAKGATE_FAIL_ON" != fail ] && offers "$bin" --on-inconclusive; then args+=(--on-inconclusive warning); fi
	if [ -n "${LEAKGATE_SINCE:-}" ]; then args+=("--since=$LEAKGATE_SINCE"); fi
	while IFS= read -r line; do
		if [ -n "$line" ]; then args+=("$line"); fi
	done <<<"${LEAKGATE_ARGS:-}"
	results=${bin%/*}/result.$$ stamp=${bin%/*}/stamp.$$
	rm -f "$results"
	: >"$stamp"
	export LEAKGATE_RESULT=$results
	cd "$LEAKGATE_DIRECTORY"
	supervise "$bin" run ${args[@]+"${args[@]}"} -- "${LEAKGATE_PLAN:-leakgate.yaml}" || code=$?
	judged "$code" || code=$?
	fill "$code"
	rm -f "$results" "$stamp"
	policy "$code"
}

case ${1:-} in
check) check ;;
run) run ;;
*) die "usage: run.sh check|run" ;;
esac
