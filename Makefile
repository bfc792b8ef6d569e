# Colporteur. `make run` tries it, `make test` proves it, `make build` makes bin/colporteur.

GO      ?= go
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
DEMO    ?= demo

export CGO_ENABLED = 0
# HEIC is decoded in a sandbox (WASM), never by a library of the system's in our own process.
export GOFLAGS += -tags=nodynamic

.PHONY: run build test race vet bench deps clean

run: build
	@exec bin/colporteur demo --data $(DEMO)

build:
	@mkdir -p bin
	$(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/colporteur ./cmd/colporteur

# What the tests use besides Go: the real servers and mail programs.
deps:
	@deploy/test-deps

test: deps vet
	$(GO) test -timeout 15m ./...

# The same with the race detector, which needs a C compiler.
race: deps
	CGO_ENABLED=1 $(GO) test -race -timeout 25m ./...

vet:
	@test -z "$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...

bench: build
	@deploy/bench

clean:
	rm -rf bin
