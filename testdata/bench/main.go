// Command bench compares cove with its peers on the machine it runs on, and a copy-on-write home with a plain one.
//
//	go run ./testdata/bench [-rows REGEXP] [-json] bin/cove
//
// Whatever is compared runs in turn, each time in another order, so that whatever else the machine does hits all
// alike. A row has the medians, the fastest runs, and the median of the pairs' ratios: below 1 cove is faster, or
// smaller. Rows whose peer is not there say so.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

func main() {
	rows := flag.String("rows", "", "measure only rows whose name matches this `regexp`")
	asJSON := flag.Bool("json", false, "print JSON")
	name := flag.String("user", "covetest", "who runs the measured commands where root runs this, if there is such a `user`")
	seconds := flag.Float64("seconds", 3, "a row ends after its number of runs or, if it has five, after this `time`")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: bench [flags] PATH-OF-COVE")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	only, err := regexp.Compile(*rows)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: -rows:", err)
		os.Exit(2)
	}
	b := &bench{only: only, asJSON: *asJSON, budget: time.Duration(*seconds * float64(time.Second))}
	if err := b.run(flag.Arg(0), *name); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A bench is what all groups of rows share.
type bench struct {
	only   *regexp.Regexp
	asJSON bool
	budget time.Duration

	dir  string  // all that is made, readable by whoever is measured
	cove string  // the program in dir, as installed
	who  *person // who runs what is measured
	root *person // the same for root's own row, nil where root is not here
	report
}

func (b *bench) run(cove, name string) (err error) {
	// Not in /tmp, which may be in memory: homes are on disks.
	if b.dir, err = os.MkdirTemp("/var/tmp", "cove-bench-"); err != nil {
		return err
	}
	b.clearOnSignal()
	defer func() {
		if e := os.RemoveAll(b.dir); e != nil {
			err = errors.Join(err, fmt.Errorf("cannot clear away: %w", e))
		}
	}()
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	// What the linker wrote is slower to start: it wrote through a mapping, so it lies in the page cache page by page.
	b.cove = filepath.Join(b.dir, "cove")
	if out, err := exec.Command("install", "-m", "755", cove, b.cove).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot install %s: %w: %s", cove, err, out)
	}
	if b.who, b.root, err = people(b.dir, name); err != nil {
		return err
	}
	b.begin(b)
	for _, group := range []func(*bench) error{start, memory, many, home} {
		if err := group(b); err != nil {
			return err
		}
	}
	return b.end(b)
}

// clearOnSignal ends the bench on a signal, which has reached what is being measured, too.
func (b *bench) clearOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		time.Sleep(time.Second) // for that to end
		b.endPodman()
		if err := os.RemoveAll(b.dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench: cannot clear away:", err)
		}
		os.Exit(130)
	}()
}
