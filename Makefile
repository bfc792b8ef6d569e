# Colporteur. `make run` tries it, `make test` proves it, `make build` makes bin/colporteur.

GO      ?= go
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
DEMO    ?= demo

# The scripts of the guests' pages, and the webmail. The pages are complete without
# them, so a machine without npm builds a host whose pages have none, and no webmail.
GUEST   = webgateway/guest
SCRIPTS = $(if $(shell command -v npm),webgateway/page/assets/built/album.js $(WEBMAIL)/dist/manifest.json)
WEBMAIL = webgateway/webmail

export CGO_ENABLED = 0
# HEIC is decoded in a sandbox (WASM), never by a library of the system's in our own process.
export GOFLAGS += -tags=nodynamic

.PHONY: run build test race vet bench deps clean

run: build
	@exec bin/colporteur demo --data $(DEMO)

build: $(SCRIPTS)
	@mkdir -p bin
	$(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/colporteur ./cmd/colporteur

webgateway/page/assets/built/album.js: $(GUEST)/node_modules/.package-lock.json $(GUEST)/build.mjs $(wildcard $(GUEST)/src/*)
	@cd $(GUEST) && node build.mjs
	@touch $@

$(GUEST)/node_modules/.package-lock.json: $(GUEST)/package-lock.json
	@cd $(GUEST) && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(WEBMAIL)/dist/manifest.json: $(WEBMAIL)/node_modules/.package-lock.json $(wildcard $(WEBMAIL)/*.ts $(WEBMAIL)/src/* $(WEBMAIL)/src/*/*)
	@cd $(WEBMAIL) && npx vite build --logLevel warn
	@touch $@

$(WEBMAIL)/node_modules/.package-lock.json: $(WEBMAIL)/package-lock.json
	@cd $(WEBMAIL) && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# What the tests use besides Go: the real servers and mail programs.
deps:
	@deploy/test-deps

test: deps vet $(SCRIPTS)
	$(GO) test -timeout 15m ./...

# The same with the race detector, which needs a C compiler.
race: deps $(SCRIPTS)
	CGO_ENABLED=1 $(GO) test -race -timeout 25m ./...

vet: $(SCRIPTS)
	@test -z "$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(if $(SCRIPTS),@cd $(WEBMAIL) && node_modules/.bin/svelte-check --tsconfig ./tsconfig.json --fail-on-warnings --output machine > .check 2>&1 || { cat .check; exit 1; })

bench: build
	@deploy/bench

clean:
	rm -rf bin
