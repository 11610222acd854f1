# On a fresh machine, start with make demo and make test.
GO      ?= go
BIN     := bin
TOOLS   := $(CURDIR)/.cache/bin

# These are not `tool` directives: their requirements would decide which versions leakgate
# is built with (docs/dependencies.md).
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
PROMTOOL    := github.com/prometheus/prometheus/cmd/promtool@v0.316.0
K6          := go.k6.io/k6@v1.3.0
GHZ         := github.com/bojand/ghz/cmd/ghz@v0.121.0
PROMETHEUS  := github.com/prometheus/prometheus/cmd/prometheus@v0.316.0
ACT         := github.com/nektos/act@v0.2.89
ACTIONLINT  := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

.DEFAULT_GOAL := help
# Targets that are not files.
.PHONY: $(shell awk -F: '/^[a-z][a-z0-9-]*:/ {print $$1}' Makefile)

# The list is made from the text after ## beside each target. A target without such a text
# is an error; `make lint` checks it.
help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:/ { \
		if (NF < 2) { sub(/:.*/, "", $$1); missing = missing " " $$1; next } \
		printf "make %-16s %s\n", $$1, $$2 } \
		END { if (missing) { print "make help: no text after ## for" missing > "/dev/stderr"; exit 1 } }' Makefile

build: ## bin/leakgate
	$(GO) build -o $(BIN)/leakgate ./cmd/leakgate

# The leaking service has to end with 1, its healthy twin with 0.
demo: build ## the gate on a service that leaks, and on its healthy twin
	@$(BIN)/leakgate demo; code=$$?; if [ $$code -ne 1 ]; then echo "demo: the leaking shop ended with $$code, want 1"; exit 1; fi
	@echo
	@$(BIN)/leakgate demo --healthy; code=$$?; if [ $$code -ne 0 ]; then echo "demo: the healthy shop ended with $$code, want 0"; exit 1; fi

# The race detector needs a C compiler; .ci/run installs one if it is missing.
test: ## every test, with the race detector
	@command -v $$($(GO) env CC) >/dev/null || { echo "make test: the race detector needs a C compiler, and there is no $$($(GO) env CC); install gcc, or run .ci/run, which does"; exit 1; }
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

lint: ## gofmt, vet, staticcheck, govulncheck, go mod tidy, and this list
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	@$(MAKE) --no-print-directory help >/dev/null
	@$(MAKE) --no-print-directory vuln

# govulncheck needs its database; if that cannot be reached, the check is skipped.
vuln: $(TOOLS)/govulncheck ## govulncheck alone; skipped where its database cannot be reached
	@out=$$($(TOOLS)/govulncheck ./... 2>&1); code=$$?; echo "$$out" | tail -n 20; \
	if [ $$code -ne 0 ] && echo "$$out" | grep -qE 'vuln.go.dev.*(dial|lookup|refused|timeout|Forbidden|403|no such host|EOF)'; then \
		echo "make vuln: SKIPPED, the vulnerability database cannot be reached from here"; \
	else exit $$code; fi

# Parsers of other projects read the golden junit.xml files, and have to find the same
# counts. Their npm packages are pinned, in .cache; the rest comes from the system.
JUNIT := internal/report/testdata
JUNIT_PYTHON ?= python3
JUNIT_NEEDS := node npm xmllint $(JUNIT_PYTHON)
junit-test: ## junit.xml in the parsers of the dashboards that read it
	@for tool in $(JUNIT_NEEDS); do command -v $$tool >/dev/null || { echo "make junit-test: there is no $$tool; install nodejs, npm, libxml2-utils and python3-junitparser"; exit 1; }; done
	@$(JUNIT_PYTHON) -c 'import junitparser' 2>/dev/null || { echo "make junit-test: $(JUNIT_PYTHON) has no junitparser; install python3-junitparser, or name a python that has it: JUNIT_PYTHON=/usr/bin/python3"; exit 1; }
	@mkdir -p .cache/junit && cp $(JUNIT)/consumers/* .cache/junit && cd .cache/junit && npm ci --no-audit --no-fund --loglevel=error
	xmllint --noout --schema $(JUNIT)/junit.xsd $(JUNIT)/*.xml
	$(JUNIT_PYTHON) .cache/junit/check.py $(JUNIT)
	node .cache/junit/check.mjs $(JUNIT)
	@out=$$(cd .cache/junit && DD_API_KEY=none npx --no-install datadog-ci junit upload --service leakgate --dry-run $(CURDIR)/$(JUNIT)/*.xml 2>&1); \
	case "$$out" in *Invalid*) echo "$$out"; exit 1;; *"Uploaded 5 files"*) echo "datadog-ci: takes all 5 files";; *) echo "$$out"; exit 1;; esac

bench: $(TOOLS)/vegeta ## speed, as ratios against peers in the same run
	VEGETA=$(TOOLS)/vegeta $(GO) test -run '^$$' -bench . -benchtime 5x -v ./internal/lab/bench
	$(GO) test -run '^$$' -bench . -benchmem ./stacks ./verdict

bench-short: $(TOOLS)/vegeta ## each benchmark once, to see that it runs
	VEGETA=$(TOOLS)/vegeta $(GO) test -run '^$$' -bench . -benchtime 1x ./internal/lab/bench ./stacks ./verdict

# A number of inputs, not a time: before Go 1.27 the end of a time is now and then reported
# as a failure, "context deadline exceeded" (golang/go issue 75804).
FUZZTIME ?= 50000x
fuzz: ## every fuzz test with FUZZTIME (50000x) inputs
	@for pkg in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
		echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg || exit 1; done; done

golden: ## rewrite generated docs and golden files
	$(GO) test ./verdict ./internal/plan ./internal/report -run 'TestDocs|TestGolden' -update

matrix: ## every leak of the sample shop, and its healthy form 20 times
	$(GO) run ./internal/lab/matrix -healthy 20

matrix-short: ## two leaks, and the healthy shop once
	$(GO) run ./internal/lab/matrix -healthy 1 -leaks send,rare

# The services that lab/accuracy measures, as a Go of each version builds them: 1.26 with
# and without the proof of leaks, and 1.27, also with a go.mod that says go 1.27, which is
# what makes its dumps have labels. The toolchain comes from the module proxy.
GO127 := go1.27.1
CORPUS_BUILD = $(GO) build -C testdata/corpus -o $(CURDIR)/$(BIN)/
GO127_MOD := .cache/go127/go.mod

corpus: ## bin/corpus, the services that are measured
	$(CORPUS_BUILD)corpus .

corpus-proof: ## the same, with the proof of leaks of Go 1.26
	GOEXPERIMENT=goroutineleakprofile $(CORPUS_BUILD)corpus-proof .

corpus-go127: ## the same, built by Go 1.27
	GOTOOLCHAIN=$(GO127) $(CORPUS_BUILD)corpus-go127 .

corpus-go127-mod: ## the same, with a go.mod that says go 1.27
	@mkdir -p $(dir $(GO127_MOD)) && cp testdata/corpus/go.sum $(dir $(GO127_MOD)) && sed 's/^go 1\..*/go 1.27.0/' testdata/corpus/go.mod > $(GO127_MOD)
	GOTOOLCHAIN=$(GO127) $(CORPUS_BUILD)corpus-go127-mod -modfile=$(CURDIR)/$(GO127_MOD) .

ACCURACY = $(GO) run ./internal/lab/accuracy -corpus $(BIN)/corpus

# SHORT=1 takes a part of the corpus, in five minutes, without the service that has many
# endpoints; it writes no table.
accuracy: corpus corpus-go127 ## recall and false positives on the corpus; SHORT=1 takes seven minutes
	$(ACCURACY) $(if $(SHORT),-short,-report docs/accuracy.md)
	$(if $(SHORT),,$(ACCURACY) -many -report docs/accuracy.md)
	$(ACCURACY) -proof $(BIN)/corpus-go127 $(if $(SHORT),-short,-report docs/accuracy.md)

many: corpus ## forty leaks beside twenty healthy endpoints in one run; part of accuracy
	$(ACCURACY) -many -report docs/accuracy.md

proof: corpus corpus-go127 ## what the runtime of Go 1.27 proves; part of accuracy
	$(ACCURACY) -proof $(BIN)/corpus-go127 -report docs/accuracy.md

# Every leak by itself, with the default policy, several gates at once, since they mostly wait.
red: corpus ## how long each leak takes to be red; SHORT=1 takes twelve of them
	$(ACCURACY) -red $(if $(SHORT),-short,-report docs/accuracy.md)

# What profiles say must not depend on the Go that built the service.
go127-test: corpus-proof corpus-go127 corpus-go127-mod ## Go 1.26 and 1.27 give the same evidence; downloads Go 1.27
	CORPUS=$(CURDIR)/$(BIN)/corpus-proof CORPUS_127=$(CURDIR)/$(BIN)/corpus-go127 CORPUS_127_MOD=$(CURDIR)/$(BIN)/corpus-go127-mod \
		$(GO) test -tags toolchains -count=1 -v ./internal/lab/e2e

# What a pass claims it would have caught is planted, and has to be caught.
claim: corpus ## leaks planted at the rate that a pass claims to see; 20 minutes
	$(ACCURACY) -claim -confirm 20s -report docs/accuracy.md

# Goroutines and heap together: ten runs of each service that says what it does.
# As of the next two, SHORT=1 takes a part of it, and writes no table.
quadrants: corpus ## heap and goroutines together, ten runs of each case; ten minutes, SHORT=1 for less
	$(ACCURACY) -quadrants -confirm 20s $(if $(SHORT),-short,-report docs/accuracy.md)

# What the gate promises of time and confirmation, with the default plan.
scenarios: corpus corpus-proof ## time and confirmation with the default plan; twenty minutes, SHORT=1 for less
	$(GO) run ./internal/lab/scenarios -corpus $(BIN)/corpus -proof $(BIN)/corpus-proof $(if $(SHORT),-only clean,-report docs/accuracy.md)

# Services that other people use all the time, so that they never come to rest.
busy: corpus ## services that never come to rest, 50 runs of the healthy one; 15 minutes, SHORT=1 for less
	$(ACCURACY) -busy -confirm 60s $(if $(SHORT),-short,-report docs/accuracy.md)

# The decision over many seeds: the gate itself, in virtual time; RUNS=1000 takes about six
# minutes on two processors. A test writes the tables, in its own folder so that it is seen
# while it does.
RUNS ?= 1000
SIMULATE = cd internal/lab/simulate && $(GO) test -count=1 -timeout 2h -run '^TestSimulate$$' -args
simulate: ## error rates of the decision over RUNS seeds, in virtual time; ten minutes
	$(SIMULATE) -runs $(RUNS) -report $(CURDIR)/docs/accuracy.md

simulate-short: ## the same with 60 seeds, and no table
	$(SIMULATE) -runs 60

# Faults on real services, each with a healthy twin: no leak may pass, no healthy service
# may fail. ONLY=REGEXP selects rows, O=FILE writes the table.
faults: build ## caches, restarts, balancers and networks that lie to the gate; ONLY=REGEXP for some; half an hour
	$(GO) run ./internal/lab/faults -leakgate $(BIN)/leakgate -parallel 12 $(if $(ONLY),-only '$(ONLY)') $(if $(O),-o $(O))

faults-short: build ## one fault of each kind
	$(GO) run ./internal/lab/faults -leakgate $(BIN)/leakgate -short

# If Chromium is missing, root on a Debian system installs it; otherwise the tests are
# skipped. SCREENSHOTS=DIR keeps pictures.
report-test: ## report.html in a headless Chromium; SCREENSHOTS=DIR keeps pictures
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing chromium" && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
		echo "make report-test: no chromium and none can be installed here: the tests will skip"
	$(GO) test -tags chromium -count=1 -v -run 'Chromium|WithoutScripts|Screenshots' ./internal/report

# Prometheus as a source: two instances, one of which leaks, and restarts. It takes two
# minutes, and longer the first time, to build the server.
prometheus-test: $(TOOLS)/prometheus $(TOOLS)/promtool ## targets that only a real Prometheus knows; two minutes
	PROMETHEUS=$(TOOLS)/prometheus PROMTOOL=$(TOOLS)/promtool $(GO) test -tags prometheus -count=1 -v -parallel 3 -timeout 20m ./internal/lab/e2e

# WebSockets, server-sent events and long polls, two thousand of them held; eight minutes.
streams-test: corpus ## 2,000 WebSockets and event streams, held and cut off; eight minutes, SHORT=1 for less
	CORPUS=$(CURDIR)/$(BIN)/corpus $(GO) test -tags streams -count=1 -v -timeout 30m ./internal/lab/e2e $(if $(SHORT),-run 'TestStreams/(ws-messages|poll)')

# A gRPC service under ghz, by load.exec, and gRPC streams; three minutes.
grpc-test: $(TOOLS)/ghz corpus ## a gRPC service under ghz, and gRPC streams; three minutes
	CORPUS=$(CURDIR)/$(BIN)/corpus GHZ=$(TOOLS)/ghz $(GO) test -tags grpc -count=1 -v -timeout 20m ./internal/lab/e2e

# A cluster of one node, on 127.0.0.1: Linux, root, and packages of Debian that the scripts
# name if they are missing. Its parts are built into .cache/kubernetes, which takes minutes
# the first time. A cluster that kubernetes-up has started stays up. O=FILE writes the table
# of what may happen to pods.
CLUSTER := ./internal/lab/kubernetes/cluster
kubernetes-build: ## the parts of a Kubernetes cluster of one node
	@$(CLUSTER)/build.sh

kubernetes-up: ## start the cluster; needs root
	@$(CLUSTER)/up.sh

kubernetes-down: ## end the cluster, and remove all of it but its binaries
	@$(CLUSTER)/down.sh

kubernetes-test: $(if $(SHORT),,$(TOOLS)/k6) ## the gate on pods of a real cluster, and what may happen to them; SHORT=1 for less
	$(if $(O),KUBERNETES_TABLE=$(abspath $(O))) $(if $(SHORT),,K6=$(TOOLS)/k6) $(CLUSTER)/with.sh $(GO) test -count=1 -v -parallel $(if $(SHORT),8,12) -timeout 40m $(if $(SHORT),-short) ./internal/lab/kubernetes

prometheus: build $(TOOLS)/prometheus ## the gate on a real Prometheus server
	PROMETHEUS=$(TOOLS)/prometheus ./examples/prometheus/run.sh $(BIN)/leakgate

# The action's script with a fake leakgate, then the jobs of the example; three minutes.
action-test: $(TOOLS)/act ## the GitHub Action on the sample shop, run by act without containers; three minutes
	ACT=$(TOOLS)/act ./action/test.sh

examples-lint: $(TOOLS)/actionlint ## the CI examples, each by its own linter
	TOOLS=$(TOOLS) ./examples/lint.sh

# What argo-rollouts is made with decides which Go reads its types; the toolchain comes from
# the module proxy. FLAGGER=1 also builds Flagger's client, for some minutes.
manifests-test: build ## the manifests with Kubernetes', Argo's and Flagger's own types, and Argo's client on leakgate serve
	cd testdata/examples && GOTOOLCHAIN=$(GO127) LEAKGATE=$(CURDIR)/$(BIN)/leakgate $(GO) test -count=1 -v $(if $(FLAGGER),-tags flagger) ./...

# The root file system of the image: a static binary, certificates, and a /tmp.
CERTIFICATES ?= /etc/ssl/certs/ca-certificates.crt
image: ## bin/image, what the image holds
	rm -rf $(BIN)/image && mkdir -p $(BIN)/image/etc/ssl/certs $(BIN)/image/tmp && chmod 1777 $(BIN)/image/tmp
	cp $(CERTIFICATES) $(BIN)/image/etc/ssl/certs/ca-certificates.crt
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags=-s -o $(BIN)/image/leakgate ./cmd/leakgate

# If buildah is missing, root on a Debian system installs it; otherwise the parts are checked.
image-test: image ## the image, built without a registry, and leakgate serve in it as its user
	@command -v buildah >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing buildah" && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends buildah >/dev/null; } || true
	internal/lab/image/test.sh

$(TOOLS)/govulncheck:
	GOBIN=$(TOOLS) $(GO) install $(GOVULNCHECK)
$(TOOLS)/vegeta: go.mod
	$(GO) build -o $@ github.com/tsenart/vegeta/v12
$(TOOLS)/promtool:
	GOBIN=$(TOOLS) $(GO) install $(PROMTOOL)
$(TOOLS)/ghz:
	GOBIN=$(TOOLS) $(GO) install $(GHZ)
$(TOOLS)/k6:
	CGO_ENABLED=0 GOBIN=$(TOOLS) $(GO) install $(K6)
$(TOOLS)/prometheus:
	GOBIN=$(TOOLS) $(GO) install $(PROMETHEUS)
$(TOOLS)/act:
	GOBIN=$(TOOLS) $(GO) install $(ACT)
$(TOOLS)/actionlint:
	GOBIN=$(TOOLS) $(GO) install $(ACTIONLINT)

clean: ## remove what make and leakgate have written here
	rm -rf $(BIN) leakgate-out leakgate-out.prev leakgate-demo
