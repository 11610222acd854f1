#!/usr/bin/env bash
# Tests the action: run.sh alone first, with a stand-in for leakgate, then
# examples/github/leakgate.yml as a whole, which act runs on this machine without
# containers and without network. Usage: ACT=path/to/act action/test.sh
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/leakgate-action.XXXXXX")
failed=0

# cleanup ends the shops that a job left behind, which are programs in this
# test's folder, and removes the folder.
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
	local exe
	for exe in /proc/[0-9]*/exe; do
		case $(readlink "$exe") in "$work"/*) kill "$(basename "$(dirname "$exe")")" ;; esac
	done 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT

ok() { echo "ok    $1"; }
bad() {
	echo "WRONG $1"
	failed=1
}

# want NAME GOT WANT
want() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: $2, want $3"; fi; }

# has NAME FILE TEXT
has() { if grep -qF -e "$3" "$2"; then ok "$1"; else
	bad "$1: no \"$3\" in it"
	sed 's/^/      | /' "$2" | tail -n 40
fi; }

# step runs run.sh as the runner does, on a stand-in for leakgate that ends with
# $ENDS and writes what it was given. Its output is in $work/step.log, its outputs
# in $work/outputs. Arguments are further variables.
step() {
	: >"$work/outputs"
	env -u LEAKGATE_ARGS PATH="$work/bin:$PATH" RUNNER_TEMP="$work/temp" GITHUB_OUTPUT="$work/outputs" ENDS="${ENDS:-0}" SAYS="${SAYS:-}" \
		GITHUB_WORKSPACE="$work" LEAKGATE_PLAN=plan.yaml LEAKGATE_DIRECTORY="$work/project" LEAKGATE_VERSION= LEAKGATE_FAIL_ON=fail "$@" \
		>"$work/step.log" 2>&1
}

stand_in() {
	mkdir -p "$work/bin" "$work/temp" "$work/project/out"
	cat >"$work/stub" <<'STUB'
#!/bin/sh
case "$1 $2" in
"version ") echo leakgate stand-in; exit ;;
"run --help") echo "--on-inconclusive --source"; exit ;;
esac
for a in "$@"; do # as leakgate's: help instead of a run
	case $a in --) break ;; --help | -h) echo help; exit ;; --version) exit 2 ;; esac
done
for a in "$@"; do echo "arg<$a>"; done
echo "pwd<$(pwd -P)>"
if [ "$ENDS" -ne 2 ]; then
	: >out/report.html
	printf 'outcome=from leakgate\nreport<<END\nout/report.html\nEND\n' >>"$GITHUB_OUTPUT"
fi
case "${SAYS:-}" in
"") ;;
old) printf 'outcome=pass\ndirectory=%s\n' "$PWD/out" >"$LEAKGATE_RESULT" ;;
*)
	: >out/verdict.json
	printf 'outcome=%s\ndirectory=%s\nstarted=now\n' "$SAYS" "$PWD/out" >"$LEAKGATE_RESULT"
	;;
esac
exit "$ENDS"
STUB
	# A go that "builds" the stand-in: its -o names where.
	cat >"$work/bin/go" <<STUB
#!/bin/sh
while [ \$# -gt 0 ]; do if [ "\$1" = -o ]; then cp "$work/stub" "\$2"; chmod +x "\$2"; fi; shift; done
STUB
	chmod +x "$work/bin/go"
}

# test_policy: every exit status under every fail-on.
test_policy() {
	local on ends expected code
	while read -r on ends expected; do
		code=0
		ENDS=$ends step "LEAKGATE_FAIL_ON=$on" "$root/action/run.sh" run || code=$?
		want "fail-on $on, leakgate ends with $ends" "$code" "$expected"
	done <<-TABLE
		fail 0 0
		fail 1 1
		fail 2 2
		fail 3 3
		fail 130 130
		leak 0 0
		leak 1 1
		leak 2 2
		leak 3 0
		leak 130 130
		never 0 0
		never 1 0
		never 2 2
		never 3 0
		never 130 130
	TABLE
	ENDS=3 step LEAKGATE_FAIL_ON=leak "$root/action/run.sh" run || true
	has "inconclusive is a warning where it does not fail" "$work/step.log" "::warning title=leakgate::leakgate could not tell"
	has "leakgate is told so" "$work/step.log" "arg<--on-inconclusive>"
}

# test_arguments: what a workflow writes reaches leakgate as it is, and no shell.
test_arguments() {
	step LEAKGATE_PLAN="-p; \$(touch $work/owned).yaml" LEAKGATE_SINCE="main; touch $work/owned" \
		LEAKGATE_ARGS="--dir
two  words \$(touch $work/owned) \`touch $work/owned\`

--name=*" "$root/action/run.sh" run || true
	has "a line is one argument" "$work/step.log" "arg<two  words \$(touch $work/owned) \`touch $work/owned\`>"
	has "no globbing" "$work/step.log" "arg<--name=*>"
	has "since" "$work/step.log" "arg<--since=main; touch $work/owned>"
	has "a plan is no flag" "$work/step.log" "arg<-p; \$(touch $work/owned).yaml>"
	has "directory" "$work/step.log" "pwd<$(cd "$work/project" && pwd -P)>"
	want "empty lines are no arguments" "$(grep -c '^arg<>' "$work/step.log")" 0
	want "nothing was executed" "$(ls "$work/owned" 2>/dev/null)" ""
}

test_outputs() {
	ENDS=1 step "$root/action/run.sh" run || true
	has "leakgate's outcome stays" "$work/outputs" "outcome=from leakgate"
	want "the action adds none to it" "$(grep -c '^outcome=' "$work/outputs")" 1
	has "run directory, for the artifact" "$work/outputs" "run-directory=$work/project/out"
	ENDS=2 step "$root/action/run.sh" run || true
	has "outcome of a plan that is wrong" "$work/outputs" "outcome=error"
	want "and no run directory" "$(grep -c run-directory "$work/outputs")" 0
}

# test_no_verdict: a 0 without a verdict of this very run is no pass, whatever lies
# about and whatever fail-on says.
test_no_verdict() {
	local code arg on
	echo '{"outcome": "pass"}' >"$work/project/out/verdict.json" # of another run
	for arg in --help -h --version $'--dir\nelsewhere\n--help' $'--github=off\n-h'; do
		for on in fail leak never; do
			code=0
			step LEAKGATE_ARGS="$arg" LEAKGATE_FAIL_ON=$on "$root/action/run.sh" run || code=$?
			want "args ${arg//$'\n'/ }, fail-on $on: nothing was loaded" "$code" 2
			want "and its outcome" "$(grep '^outcome=' "$work/outputs")" "outcome=error"
		done
	done
	step LEAKGATE_ARGS=--help "$root/action/run.sh" run || true
	has "it is said in words" "$work/step.log" "::error title=leakgate::leakgate ended without a verdict: nothing was loaded"
	code=0
	touch -d '1 hour ago' "$work/project/out/verdict.json"
	SAYS=old step "$root/action/run.sh" run || code=$?
	want "the verdict of an earlier run is none" "$code" 3
	code=0
	SAYS=inconclusive step "$root/action/run.sh" run || code=$?
	want "0 with another verdict is no pass" "$code" 3
	code=0
	SAYS=pass step "$root/action/run.sh" run || code=$?
	want "a verdict of this very run is one" "$code" 0
	has "its directory is an output" "$work/outputs" "run-directory=$work/project/out"
	code=0
	SAYS=fail ENDS=1 step "$root/action/run.sh" run || code=$?
	want "and so is a fail" "$code" 1
	want "nothing is left behind" "$(find "$work/temp" -name 'result.*' -o -name 'stamp.*')" ""
	rm -f "$work/project/out/verdict.json"
}

# test_refusals: what cannot work ends the step before anything is built.
test_refusals() {
	local code=0
	step RUNNER_OS=Windows "$root/action/run.sh" check || code=$?
	want "Windows is refused" "$code" 2
	has "Windows is refused in words" "$work/step.log" "::error title=leakgate::this action runs on Linux and macOS, not on Windows"
	code=0
	step LEAKGATE_FAIL_ON=maybe "$root/action/run.sh" check || code=$?
	want "an unknown fail-on is refused" "$code" 2
	code=0
	step LEAKGATE_DIRECTORY="$work/nowhere" "$root/action/run.sh" check || code=$?
	want "a missing directory is refused" "$code" 2
	code=0
	step LEAKGATE_VERSION=v9.9.9 RUNNER_OS=Linux RUNNER_ARCH=X64 "$root/action/run.sh" check || code=$?
	want "an unknown version is refused" "$code" 2
	has "an unknown version is refused in words" "$work/step.log" 'no release binary of leakgate "v9.9.9" is known for linux_amd64'
	code=0
	step LEAKGATE_FAIL_ON=$'x\n::add-mask::y' "$root/action/run.sh" check || code=$?
	want "an input cannot speak to the runner" "$(grep -c '^::add-mask' "$work/step.log")" 0
}

# test_release: a release binary runs only if its checksum is the committed one.
test_release() {
	local code=0 file=leakgate_v9.9.9_linux_amd64
	local copy="$work/copy" sum
	mkdir -p "$copy/action" "$work/releases/v9.9.9"
	cp action/run.sh "$copy/action/"
	cp "$work/stub" "$work/releases/v9.9.9/$file"
	sum=$(sha256sum "$work/stub")
	echo "${sum%% *}  $file" >"$copy/action/checksums.txt"
	set -- LEAKGATE_VERSION=v9.9.9 RUNNER_OS=Linux RUNNER_ARCH=X64 "LEAKGATE_RELEASES=file://$work/releases" "$copy/action/run.sh" run
	step "$@" || code=$?
	want "a release with the committed checksum runs" "$code" 0
	echo '# another' >>"$work/releases/v9.9.9/$file"
	code=0
	step "$@" || code=$?
	want "another is refused" "$code" 2
	has "another is refused in words" "$work/step.log" "it was not run"
}

# test_cancel: the runner's signal reaches leakgate, whose status is the step's.
test_cancel() {
	local code=0 pid
	cat >"$work/stub.slow" <<'STUB'
#!/bin/sh
case "$1" in version) exit ;; esac
trap 'echo reports written; exit 130' TERM
echo loading
while :; do sleep 0.1; done
STUB
	cp "$work/stub" "$work/stub.kept"
	cp "$work/stub.slow" "$work/stub"
	: >"$work/outputs"
	PATH="$work/bin:$PATH" RUNNER_TEMP="$work/temp" GITHUB_OUTPUT="$work/outputs" LEAKGATE_DIRECTORY="$work/project" \
		"$root/action/run.sh" run >"$work/step.log" 2>&1 &
	pid=$!
	for _ in $(seq 100); do
		if grep -q loading "$work/step.log"; then break; fi
		sleep 0.1
	done
	kill -TERM "$pid"
	wait "$pid" || code=$?
	want "a cancelled run ends with leakgate's status" "$code" 130
	has "a cancelled run writes its reports" "$work/step.log" "reports written"
	cp "$work/stub.kept" "$work/stub"
}

# repository copies what is checked out, changes included, into a repository of
# its own with one commit, which is what act wants.
repository() {
	mkdir -p "$work/repo"
	git ls-files -co --exclude-standard -z | xargs -0 tar -cf - | tar -xf - -C "$work/repo"
	git -C "$work/repo" init -q -b main
	git -C "$work/repo" add -A
	git -C "$work/repo" -c user.name=test -c user.email=test@example.com -c commit.gpgsign=false commit -qm test
}

# other_actions stands in for the actions of others, which are not fetched: Go is
# there already, and what would be uploaded is listed.
other_actions() {
	mkdir -p "$work/setup-go" "$work/upload-artifact"
	cat >"$work/setup-go/action.yml" <<'STUB'
name: setup-go
description: stand-in
inputs: {go-version-file: {description: unused}, cache-dependency-path: {description: unused}}
runs: {using: composite, steps: [{shell: bash, run: go version}]}
STUB
	cat >"$work/upload-artifact/action.yml" <<'STUB'
name: upload-artifact
description: stand-in
inputs: {name: {description: of the artifact}, path: {description: to the folder}}
runs:
  using: composite
  steps:
    - shell: bash
      run: for f in "$FOLDER"/*; do echo "uploads $NAME/${f##*/}"; done
      env:
        NAME: ${{ inputs.name }}
        FOLDER: ${{ inputs.path }}
STUB
}

# job NAME runs a job of the example; its log is $work/NAME.log.
job() {
	local other=()
	local name ref
	for name in setup-go upload-artifact; do
		while read -r ref; do
			other+=(--local-repository "$ref=$work/$name")
		done < <(sed -n "s|.*uses: \(actions/$name@[^ ]*\).*|\1|p" action.yml examples/github/leakgate.yml | sort -u)
	done
	# act's HOME and cache are the test's own; Go's caches are the machine's, which
	# hold everything already: GOPROXY=off is what keeps the network out.
	(cd "$work/repo" && "$ACT" push --workflows examples/github/leakgate.yml --job "$1" \
		--platform ubuntu-latest=-self-hosted --action-offline-mode "${other[@]}") >"$work/$1.log" 2>&1
}

# test_jobs: the shop that leaks is red, its healthy twin green.
test_jobs() {
	local code=0
	GOMODCACHE=$(go env GOMODCACHE)
	GOCACHE=$(go env GOCACHE)
	repository
	other_actions
	export GOMODCACHE GOCACHE GOPROXY=off XDG_CACHE_HOME="$work/cache" HOME="$work/home"
	mkdir -p "$HOME"
	job healthy || code=$?
	want "the healthy job passes" "$code" 0
	has "its outcome is an output" "$work/healthy.log" '"outcome": "pass"'
	code=0
	job leaking || code=$?
	want "the leaking job fails" "$code" 1
	has "its outcome is an output" "$work/leaking.log" '"outcome": "fail"'
	has "by leakgate's own status" "$work/leaking.log" "exit status 1"
	has "with the stack" "$work/leaking.log" "shop.(*Shop).quote"
}

# test_reporting: what leakgate run --github writes. It is skipped while leakgate
# has no such flag.
test_reporting() {
	local name
	if ! go run ./cmd/leakgate run --help | grep -q -e --github; then
		echo "--    outputs, summary and annotations: skipped, leakgate run has no --github here"
		return
	fi
	for name in leaked findings report junit sensitivity; do
		has "healthy: output $name" "$work/healthy.log" "\"$name\": \""
		has "leaking: output $name" "$work/leaking.log" "\"$name\": \""
	done
	has "healthy: no findings" "$work/healthy.log" '"findings": "0"'
	has "leaking: one finding" "$work/leaking.log" '"findings": "1"'
	# The action knows the run directory from the output report.
	has "healthy: artifact" "$work/healthy.log" "uploads leakgate-healthy/verdict.json"
	has "leaking: artifact, from a folder with spaces" "$work/leaking.log" "uploads leakgate-leaking/verdict.json"
	want "leaking: annotation where it leaks" "$(grep -cE "❗ +::error .*file=examples/shop/shop\\.go,line=$(grep -n 'quotes <- len' examples/shop/shop.go | cut -d: -f1)," "$work/leaking.log")" 1
	want "healthy: no annotation" "$(grep -c '❗' "$work/healthy.log")" 0
	has "healthy: summary" "$work/healthy.log" "Summary - "
	has "leaking: summary" "$work/leaking.log" "Summary - "
}

stand_in
test_policy
test_arguments
test_outputs
test_no_verdict
test_refusals
test_release
test_cancel
if [ -n "${ACT:-}" ]; then
	test_jobs
	test_reporting
else
	echo "--    the example's jobs: skipped, ACT names no act"
fi
if [ -n "${KEEP:-}" ]; then cp "$work"/*.log "$KEEP"/; fi
exit "$failed"
