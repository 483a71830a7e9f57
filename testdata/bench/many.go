package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// crowded is how many sandboxes there are at once.
const crowded = 200

// many compares how long many sandboxes take, and makes sure that cove leaves nothing behind.
func many(b *bench) error {
	filter := filepath.Join(b.dir, "filter.bpf")
	if err := writeFilter(filter); err != nil {
		return err
	}
	bwrap, missing := find("bwrap")
	empty := []string{b.cove, "run", "-q", "--home", "tmpfs", "--"}
	cow := []string{b.cove, "run", "-q", "--"}
	few := 2 * runtime.NumCPU()
	for _, row := range []struct {
		name, what string
		cove       []string
		with       string
		measure    func(task) (float64, error)
		program    []string
	}{
		{"many/pool", fmt.Sprintf("%d × %s, %d at a time", crowded, program, few), empty, "cove run --home tmpfs", pool(few), []string{program}},
		{"many/at-once", fmt.Sprintf("%d × %s at once", crowded, program), empty, "cove run --home tmpfs", pool(crowded), []string{program}},
		{"many/at-once-cow", fmt.Sprintf("%d × %s at once", crowded, program), cow, "cove run, an overlay and a box each", pool(crowded), []string{program}},
		{"many/alive", fmt.Sprintf("until %d programs run, and all have ended", crowded), empty, "cove run --home tmpfs", alive, waiting},
	} {
		if !b.wants(row.name) {
			continue
		}
		cove, peer := row.what+": "+row.with, "bwrap, the same tree and filter"
		if missing != "" {
			b.leaveOut(row.name, cove, peer, missing)
			continue
		}
		a := task{who: b.who, argv: append(row.cove[:len(row.cove):len(row.cove)], row.program...)}
		p := task{who: b.who, argv: append(sameTree(bwrap, b.who), row.program...), stdin: filter}
		took, err := b.turns(7, 0,
			func() (float64, error) {
				took, err := row.measure(a)
				return took, errors.Join(err, b.leftBehind())
			},
			func() (float64, error) { return row.measure(p) })
		if err != nil {
			return err
		}
		b.compare(row.name, "ms", cove, peer, took[0], took[1])
	}
	return nil
}

// pool runs all with so many at a time, and takes the time until the last has ended.
func pool(width int) func(task) (float64, error) {
	return func(t task) (float64, error) {
		begun := time.Now()
		jobs, errs := make(chan struct{}), make(chan error)
		for range width {
			go func() {
				var failed error
				for range jobs {
					_, err := t.time()
					failed = errors.Join(failed, err)
				}
				errs <- failed
			}()
		}
		for range crowded {
			jobs <- struct{}{}
		}
		close(jobs)
		var err error
		for range width {
			err = errors.Join(err, <-errs)
		}
		return milliseconds(time.Since(begun)), err
	}
}

// alive has all of them there at the same time.
func alive(t task) (float64, error) {
	begun := time.Now()
	c, err := startAll(crowded, t)
	err = errors.Join(err, c.end())
	return milliseconds(time.Since(begun)), err
}

// leftBehind looks for processes, boxes and mounts of sandboxes that have ended. The supervisor has been waited for, so
// its pid 1 is gone too, except that a machine's own pid 1 may not have buried it yet.
func (b *bench) leftBehind() error {
	exes, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return err
	}
	for _, exe := range exes {
		if path, err := os.Readlink(exe); err == nil && path == b.cove {
			return fmt.Errorf("cove left a process behind: %s", filepath.Dir(exe))
		}
	}
	if boxes := b.boxes(); len(boxes) > 0 {
		return fmt.Errorf("cove left boxes behind: %q", boxes)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if bytes.Contains(mounts, []byte(b.dir)) {
		return fmt.Errorf("cove left a mount behind below %s", b.dir)
	}
	return nil
}

// boxes are the names of the boxes of who is measured.
func (b *bench) boxes() []string {
	entries, _ := os.ReadDir(filepath.Join(b.who.home, ".local/share/cove/boxes"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
