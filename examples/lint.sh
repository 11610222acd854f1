#!/usr/bin/env bash
# Checks the action and every CI example with the tools of the systems that they
# are for. What is not installed here is skipped, and said to be.
# Usage: TOOLS=folder/of/actionlint examples/lint.sh
# shellcheck disable=SC2317 # look calls the checks by name
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm=$PWD/.cache/npm
failed=0

# look NAME COMMAND… runs a check, and shows what it says only if it fails.
look() {
	local name=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		echo "ok      $name"
	else
		echo "WRONG   $name"
		sed 's/^/        /' "$work/log"
		failed=1
	fi
}

skip() { echo "SKIPPED $1"; }

# workflows puts the example where GitHub has it, so that actionlint sees which
# inputs and outputs the action has that it uses.
workflows() {
	mkdir -p "$work/repo/.github/workflows" "$work/repo/.git"
	cp action.yml "$work/repo/"
	cp examples/github/*.yml "$work/repo/.github/workflows/"
	(cd "$work/repo" && "$TOOLS/actionlint" -no-color)
}

# node_tool installs an npm package, once.
node_tool() { [ -x "$npm/node_modules/.bin/${1%@*}" ] || npm install --prefix "$npm" --no-save --no-audit --no-fund "$@"; }

# gitlab reads the pipeline as GitLab's schema has it. It wants a repository.
gitlab() {
	mkdir -p "$work/gitlab"
	cp examples/gitlab/.gitlab-ci.yml "$work/gitlab/"
	git -C "$work/gitlab" init -q -b main
	git -C "$work/gitlab" remote add origin https://gitlab.example.com/group/shop.git
	git -C "$work/gitlab" add -A
	git -C "$work/gitlab" -c user.name=lint -c user.email=lint@example.com -c commit.gpgsign=false commit -qm lint
	(cd "$work/gitlab" && "$npm/node_modules/.bin/gitlab-ci-local" --list) | tee "$work/jobs"
	grep -q '^leakgate ' "$work/jobs"
}

# jenkins parses the pipeline as Groovy.
jenkins() {
	"$npm/node_modules/.bin/npm-groovy-lint" --noserver --failon warning --path examples/jenkins --files '**/Jenkinsfile' \
		--config "$PWD/examples/jenkins/.groovylintrc.json"
}

look "GitHub: workflow and the action's inputs (actionlint)" workflows
if command -v shellcheck >/dev/null; then
	look "scripts (shellcheck)" shellcheck action/*.sh examples/*.sh examples/shop/*.sh
else
	skip "scripts: shellcheck is not installed"
fi
# argo-rollouts decides which Go reads its types; make manifests-test names the same.
look "Kubernetes, Argo and Flagger: strictly, with their own types (go test)" \
	env GOTOOLCHAIN=go1.27.1 go test -C testdata/examples -count=1 ./...
look "plans in the examples (go test)" go test ./examples
if ! command -v npm >/dev/null; then
	skip "GitLab and Jenkins: there is no npm to install their linters with"
	exit "$failed"
fi
if node_tool gitlab-ci-local@4.61.1 npm-groovy-lint@15.2.2 >"$work/npm" 2>&1; then
	look "GitLab: the pipeline's schema (gitlab-ci-local)" gitlab
	if command -v java >/dev/null; then
		look "Jenkins: the pipeline as Groovy (npm-groovy-lint)" jenkins
	else
		skip "Jenkins: npm-groovy-lint needs Java"
	fi
else
	skip "GitLab and Jenkins: their linters could not be installed: $(tail -n 1 "$work/npm")"
fi
exit "$failed"
