# What this repository can do. `make` alone says so.
#
# Plain POSIX make and sh. GOFLAGS from the environment reaches every go command. The product is built without cgo, so that building
# and running it needs Go alone; only the race detector of `make test` needs a C compiler.
.POSIX:
.PHONY: help demo run build test check bench soak clean

# FUZZ=60s makes `check` run each fuzz target that long; empty runs their seeds only, as part of `test`.
FUZZ =

# RUNS is how often `soak` tells its story.
RUNS = 100

# The tools are pinned in a module of their own, so that the product's module does not carry them.
TOOL = go tool -modfile=tools/go.mod

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: build ## build, then tell the whole story end to end on a sample organisation, then go on serving it
	./bin/pim demo

run: build ## build, then serve on ./data
	./bin/pim serve --data ./data

build: ## build ./bin/pim
	CGO_ENABLED=0 go build -trimpath -o bin/pim ./cmd/pim

test: ## run every test; as root on Debian this installs the real peers they need, elsewhere it names what is missing
	./scripts/peers
	go test -race -shuffle=on -timeout 30m ./...
	go test -timeout 30m -run TestAWholeTenantIsMigrated ./cmd/pim
	./scripts/each-client go test -shuffle=on ./...
	./scripts/javascript
	./scripts/terraform

check: ## formatting, vet, tidy modules, linters, known vulnerabilities; FUZZ=60s also fuzzes each target that long
	./scripts/formatted
	go vet ./...
	go mod tidy -diff
	cd tools && go mod tidy -diff
	cd test/peers && go mod tidy -diff
	./scripts/each-client go mod tidy -diff
	$(TOOL) golangci-lint run
	./scripts/vulnerabilities
	./scripts/fuzz $(FUZZ)

bench: ## measure, each figure beside its reference in the same run
	go run ./test/bench

soak: ## several nodes under every fault, RUNS=100 times over, and no stale yes
	PORTCULLIS_TEST_RUNS=$(RUNS) go test -count=1 -timeout 0 -v -run 'TestNoStaleYes|TestWithoutTokens' ./test/nodes

clean: ## remove what building made; ./data stays
	rm -rf bin
