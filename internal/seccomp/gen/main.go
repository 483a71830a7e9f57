// Command gen writes ../table.go: what the base filter decides about every system call, from Docker's default
// profile for a container without capabilities and from the numbers in golang.org/x/sys/unix.
//
//	go generate ./internal/seccomp                    # after an update of either module
//	go run ./internal/seccomp/gen -rules amd64        # the profile, unchanged, for testdata/export.c
//
// It is never linked into cove, which so needs neither module at run time and no work at start.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	rules := flag.String("rules", "", "print Docker's rules for this `GOARCH` instead, one a line")
	out := flag.String("o", "table.go", "the `file` to write")
	flag.Parse()
	if err := run(*rules, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(rules, out string) error {
	if rules != "" {
		text, err := Rules(rules)
		if err != nil {
			return err
		}
		_, err = os.Stdout.WriteString(text)
		return err
	}
	text, err := Table()
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o644)
}
