# cove: make build, make test, make check, make bench, make install PREFIX=/usr/local

PREFIX  ?= /usr/local
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
export CGO_ENABLED = 0

.PHONY: build test check bench fuzz install clean

build: ## the program, as bin/cove
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/cove ./cmd/cove

test: ## everything: sets up what it needs (as root), then tests as root and as an ordinary user
	testdata/setup
	testdata/run

check: ## what must be clean before a commit
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); false; }
	go vet ./...
	go tool staticcheck ./...
	go test ./...

bench: build ## cove against its peers on this machine, in interleaved pairs
	go run ./testdata/bench bin/cove

FUZZTIME ?= 20s
fuzz: ## every parser of foreign input, FUZZTIME each
	testdata/fuzz $(FUZZTIME)

install: build
	install -D -m 755 bin/cove $(DESTDIR)$(PREFIX)/bin/cove

clean:
	rm -rf bin
