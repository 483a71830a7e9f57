// Command report shows the results of tests as go test does, and what was not tested, with the reason.
//
//	go test -json ./... | report
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if !report(os.Stdin, os.Stdout) {
		os.Exit(1)
	}
}

// An event is a line of go tool test2json, as go doc test2json describes it.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// A key is one test, or with an empty name its package.
type key struct{ pkg, test string }

// report tells whether all went well. What a test printed is shown where it failed, or never ended.
func report(in io.Reader, out io.Writer) (ok bool) {
	ok = true
	told := map[string]bool{}
	printed, parts := map[key][]string{}, map[string][]string{} // of tests; not tested, by package
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text()) // of the go command
			continue
		}
		k := key{e.Package, e.Test}
		switch {
		case e.Output != "" && e.Test != "":
			printed[k] = append(printed[k], e.Output)
			if i := strings.Index(e.Output, partly); i >= 0 {
				parts[e.Package] = append(parts[e.Package], e.Test+" "+strings.TrimSpace(e.Output[i:]))
			}
			continue
		case e.Output != "":
			if e.Output != "PASS\n" && e.Output != "FAIL\n" {
				fmt.Fprint(out, e.Output)
				told[e.Package] = told[e.Package] || strings.Contains(e.Output, "\t"+e.Package)
			}
			continue
		case e.Action == "skip" && e.Test != "":
			parts[e.Package] = append(parts[e.Package], e.Test+": "+reason(printed[k]))
		case e.Action == "fail" || e.Action == "build-fail":
			ok = false
			if e.Test != "" {
				show(out, printed[k])
				break
			}
			for other := range printed { // those that were running
				if other.pkg == e.Package {
					show(out, printed[other])
				}
			}
		}
		switch e.Action {
		case "pass", "skip", "fail":
			delete(printed, k)
			if e.Test == "" {
				if !told[e.Package] { // a test binary does not say it, the go command does
					fmt.Fprintf(out, "%-4s\t%s\t%.3fs\n", map[string]string{"pass": "ok", "fail": "FAIL"}[e.Action], e.Package, e.Elapsed)
				}
				for _, p := range parts[e.Package] {
					fmt.Fprintf(out, "\tnot tested: %s\n", p)
				}
			}
		}
	}
	return ok && lines.Err() == nil
}

// partly begins what a test logs that has passed over a part of itself.
const partly = "in part: "

func show(out io.Writer, lines []string) {
	for _, l := range lines {
		if !strings.HasPrefix(l, "=== ") {
			fmt.Fprint(out, l)
		}
	}
}

// reason is the last thing that a skipped test said, without the place in the source.
func reason(lines []string) string {
	said := "without a reason"
	for _, l := range lines {
		if strings.HasPrefix(l, "=== ") || strings.HasPrefix(strings.TrimSpace(l), "--- SKIP") {
			continue
		}
		said = strings.TrimSpace(l)
		if _, rest, ok := strings.Cut(said, ".go:"); ok {
			_, said, _ = strings.Cut(rest, ": ")
		}
	}
	return said
}
