# cove: make build, make test, make check, make bench, make install PREFIX=/usr/local, make uninstall

PREFIX  ?= /usr/local
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
export CGO_ENABLED = 0

.PHONY: build test machine check bench fuzz generate install uninstall clean

build: ## the program, as bin/cove
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/cove ./cmd/cove

test: ## everything: sets up what it needs (as root), then tests as root and as an ordinary user
	testdata/setup
	testdata/run

machine: ## only the tests in the test machine: Debian's own kernel under qemu (as root)
	COVE_MACHINE=yes testdata/setup
	testdata/machine/run

check: ## what must be clean before a commit
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); false; }
	go vet ./...
	go tool staticcheck ./...
	go test ./...

bench: build ## cove against its peers on this machine, in interleaved pairs; BENCH="-rows start -json" says what
	go run ./testdata/bench $(BENCH) bin/cove

FUZZTIME ?= 20s
fuzz: ## every parser of foreign input, FUZZTIME each
	testdata/fuzz $(FUZZTIME)

generate: ## manual pages, docs/profiles.md and what else is made from tables in the source
	go generate ./...

# One that runs here, to print completions with.
COVE ?= bin/cove
# The shell puts these in, so that a directory may have any name.
export DESTDIR PREFIX
share = $$DESTDIR$$PREFIX/share
bash  = $(share)/bash-completion/completions
zsh   = $(share)/zsh/site-functions
fish  = $(share)/fish/vendor_completions.d

install: build ## the program, its manual pages, and completions for three shells
	install -D -m 755 bin/cove "$$DESTDIR$$PREFIX/bin/cove"
	install -d -m 755 "$(share)/man/man1" "$(share)/man/man5" "$(bash)" "$(zsh)" "$(fish)"
	install -m 644 docs/man/*.1 "$(share)/man/man1/"
	install -m 644 docs/man/*.5 "$(share)/man/man5/"
	umask 022 && $(COVE) completion bash >"$(bash)/cove"
	umask 022 && $(COVE) completion zsh >"$(zsh)/_cove"
	umask 022 && $(COVE) completion fish >"$(fish)/cove.fish"

uninstall: ## what install has put there
	cd docs/man && for page in *; do rm -f "$(share)/man/man$${page##*.}/$$page"; done
	rm -f "$$DESTDIR$$PREFIX/bin/cove" "$(bash)/cove" "$(zsh)/_cove" "$(fish)/cove.fish"

clean:
	rm -rf bin
