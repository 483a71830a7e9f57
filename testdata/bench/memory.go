package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memory compares what a sandbox costs while its program waits: the proportional set size (PSS) of all processes of the
// sandbox but the program's own, so that what they share counts once.
func memory(b *bench) error {
	for _, row := range []struct {
		name, of string
		n        int
	}{
		{"memory/20", "each of 20 at once", 20},
		{"memory/alone", "one alone", 1},
	} {
		if !b.wants(row.name) {
			continue
		}
		cove, peer := "cove run --home tmpfs, "+row.of, "bwrap, the same tree and filter"
		bwrap, why := find("bwrap")
		if os.Getuid() != 0 {
			why = "only root may read the memory of cove's pid 1, which is not dumpable: run make bench as root"
		}
		if why != "" {
			b.leaveOut(row.name, cove, peer, why)
			continue
		}
		filter := filepath.Join(b.dir, "filter.bpf")
		if err := writeFilter(filter); err != nil {
			return err
		}
		took, err := b.turns(7, 0,
			func() (float64, error) {
				return pss(row.n, task{who: b.who, argv: append([]string{b.cove, "run", "-q", "--home", "tmpfs", "--"}, waiting...)})
			},
			func() (float64, error) {
				return pss(row.n, task{who: b.who, argv: append(sameTree(bwrap, b.who), waiting...), stdin: filter})
			})
		if err != nil {
			return err
		}
		b.compare(row.name, "MB", cove, peer, took[0], took[1])
	}
	return nil
}

// waiting is a program that says when it runs, and ends when its input does.
var waiting = []string{"/bin/sh", "-c", "echo; exec cat"}

// pss runs n of a sandbox at once and says what one costs, in megabytes.
func pss(n int, t task) (each float64, err error) {
	c, err := startAll(n, t)
	defer func() { err = errors.Join(err, c.end()) }()
	if err != nil {
		return 0, err
	}
	children := map[int][]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue
		} else if err != nil {
			return 0, err
		}
		var pid, parent int
		fmt.Sscan(string(stat), &pid)
		// Behind the name, which may hold anything: state and parent, proc_pid_stat(5).
		fmt.Sscanf(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " %1s %d", new(string), &parent)
		children[parent] = append(children[parent], pid)
	}
	var sum, programs int
	var add func(pid int) error
	add = func(pid int) error {
		if len(children[pid]) == 0 { // the program itself
			programs++
			return nil
		}
		kb, err := smaps(pid)
		if err != nil {
			return err
		}
		sum += kb
		for _, child := range children[pid] {
			if err := add(child); err != nil {
				return err
			}
		}
		return nil
	}
	for _, cmd := range c.cmds {
		if err := add(cmd.Process.Pid); err != nil {
			return 0, err
		}
	}
	if programs != n {
		return 0, fmt.Errorf("%s: %d sandboxes, but %d programs in them", t.argv[0], n, programs)
	}
	return float64(sum) / 1024 / float64(n), nil
}

// smaps says how many kilobytes of memory a process accounts for.
func smaps(pid int) (int, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == "Pss:" {
			return strconv.Atoi(f[1])
		}
	}
	return 0, fmt.Errorf("%s has no line Pss", path)
}

// A crowd is sandboxes that wait, all at once.
type crowd struct {
	t    task
	cmds []*exec.Cmd
	hold *os.File // closed, it ends them all
}

// startAll returns when the last of n waiting sandboxes has said that its program runs.
func startAll(n int, t task) (*crowd, error) {
	c := &crowd{t: t}
	stdin, hold, err := os.Pipe()
	if err != nil {
		return c, err
	}
	defer stdin.Close()
	c.hold = hold
	said, stdout, err := os.Pipe()
	if err != nil {
		return c, err
	}
	defer said.Close()
	for range n {
		cmd, err := t.start(stdin, stdout)
		if err != nil {
			stdout.Close()
			return c, t.failed(err)
		}
		c.cmds = append(c.cmds, cmd)
	}
	stdout.Close()
	for got := 0; got < n; {
		k, err := said.Read(make([]byte, n-got))
		if err != nil {
			return c, t.failed(fmt.Errorf("%d of %d came to run their programs: %w", got, n, err))
		}
		got += k
	}
	return c, nil
}

func (c *crowd) end() error {
	if c.hold != nil {
		c.hold.Close()
	}
	var errs []error
	for _, cmd := range c.cmds {
		if err := cmd.Wait(); err != nil {
			errs = append(errs, c.t.failed(err))
		}
	}
	return errors.Join(errs...)
}
