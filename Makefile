# Betonica's targets. `make` alone lists them.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

FUZZTIME ?= 10s
N ?= 1000
BENCH ?= .
SIZE ?= 100000
BENCH_DIR ?=

# Which packages make test tests, and which of their tests (or which not).
PACKAGES ?= ./...
RUN ?=
SKIP ?=

# Tests run through a script that keeps of their output the verdicts, the whole of a
# package that failed, the name and reason of each test left out, and which took longest.
# Parallel tests are those which wait for programs and clocks: more go on at once than
# there are processors. make check vets.
TEST := .ci/test -timeout 20m -vet=off -parallel 6

.PHONY: help build test check demo bench crash soak fuzz fips dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

build: ## bin/betonicad (with SQLite, needs cgo) and bin/betonica (static)
	CGO_ENABLED=1 go build -o bin/betonicad ./cmd/betonicad
	CGO_ENABLED=0 go build -trimpath $$(.dist/gcflags) -o bin/betonica ./cmd/betonica

test: ## every test this machine can run; it names those it leaves out
	$(TEST) $(if $(RUN),-run '$(RUN)') $(if $(SKIP),-skip '$(SKIP)') -- $(PACKAGES)
	@if [ -n "$(RUN)" ]; then :; elif [ -n "$$CI" ] || $(CC) -E -include openssl/aes.h -x c /dev/null >/dev/null 2>&1; then \
		$(TEST) -tags tpmsimulator -run '^Test(Simulator|TPM)$$' -- ./enroll/acme/attest ./cmd/betonicad; \
	else echo "    left out TestSimulator and TestTPM: the TPM is C, and wants OpenSSL's headers (libssl-dev)"; fi

# The race pass puts the detector into every package, and into the daemon that a few
# tests load, reload, cut off and kill. What else starts it is left to `make test`: each
# start of it takes seconds there, for the passphrase. It would be twice as many if the
# detector watched the standard library derive a key; races are not there. Four packages at
# a time: most of them wait for disks.
RACE := -race -gcflags=crypto/internal/fips140/...=-race=false -gcflags=crypto/pbkdf2=-race=false -gcflags=golang.org/x/crypto/...=-race=false
RACED := ^Test(Kill|Soak|OneToken|OneChild|PolicyReload|StopUnderLoad|LostDatabase)

check: ## gofmt, vet, staticcheck, the layers, the race detector, the lint module
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt would change:" $$out; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go test -run '^TestLayers$$' ./cmd/betonicad
	$(TEST) -p 4 $(RACE) -- $$(go list ./... | grep -v /cmd/betonicad$$)
	$(TEST) $(RACE) -run '$(RACED)' -- ./cmd/betonicad
	cd testdata/lint && go vet ./... && go test ./...

demo: build ## the main job, with real binaries on this machine
	bin/betonicad demo

bench: ## the figures (BENCH picks some), at SIZE certificates (kept in BENCH_DIR), and 200 kills under load
	go test ./cmd/betonicad -run '^TestKill$$' -kills 200 -bench '$(BENCH)' -benchtime 1x -timeout 24h -v -size $(SIZE) $(if $(BENCH_DIR),-bench-dir '$(BENCH_DIR)')
	go test -run '^$$' -bench 'Publish' -benchtime 1x ./revoke/crl
	go test -run '^$$' -bench 'Batch' -benchtime 1x ./revoke
	go test -run '^$$' -bench 'Update|Replicas' ./store
	BETONICA_BENCH_DIR='$(or $(BENCH_DIR),/var/tmp)' go test -run '^$$' -bench 'Append' -benchtime 1x ./store/audit/journal
	go test -run '^$$' -bench 'Receive' -benchtime 1x ./cmd/internal/archive
	go test -run '^$$' -bench 'Deliver|Down' -benchtime 1x ./cmd/internal/deliver
	go test -run '^$$' -bench 'Send' ./cmd/internal/deliver/syslog
	go test -run '^$$' -bench 'Watch' -benchtime 1x ./cmd/internal/watch
	BETONICA_SURVEY=$(SIZE) go test -run '^$$' -bench 'Survey' -benchtime 1x -timeout 2h ./store/compliance/survey
	BETONICA_REVIEW=$(SIZE) go test -run '^$$' -bench 'Read' -benchtime 1x -timeout 2h ./store/review

crash: ## kill daemon and database N times (1000) under load, and look for what was lost
	go test ./cmd/betonicad -run '^TestKill' -kills $(N) -timeout 24h -v

soak: ## ten minutes each of revocations while the daemon, peers, guards and what stands behind them come and go
	go test ./cmd/betonicad -run '^Test(Guard)?Soak$$' -soak 10m -timeout 40m -v

fuzz: ## every fuzz target for FUZZTIME (10s)
	@grep -rnoE --include='*_test.go' --exclude-dir=testdata '^func Fuzz[A-Za-z0-9_]+' . | sort | \
	while IFS=: read -r file _ func; do \
		go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null || exit 1; \
	done

fips: build ## the tests that touch cryptography, with FIPS 140-3 enforced; a program of the certified module
	.ci/fips

dist: ## programs, packages and bills of materials of this commit, for every platform, built twice and compared
	.dist/twice dist

clean: ## remove what build and dist made
	rm -rf bin dist
