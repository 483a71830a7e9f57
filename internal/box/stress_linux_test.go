package box

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Many at once take, use, list and remove the same few boxes, as goroutines and as processes. None sees a box that
// another has, none gets an error but that, and when all are done nothing is left but what should be.
func TestStress(t *testing.T) {
	const patience = time.Second
	data := newData(t)
	home := t.TempDir()
	var children []*process
	for range 3 {
		p := start(t, nil, "stress", data, home, patience.String())
		p.hears(t, "ready")
		children = append(children, p)
	}
	var wg sync.WaitGroup
	var sum tally
	for range 3 {
		wg.Go(func() {
			if err := stress(data, home, patience, &sum); err != nil {
				t.Error(err)
			}
		})
	}
	for _, p := range children {
		io.WriteString(p.in, "go\n")
	}
	wg.Wait()
	for _, p := range children {
		var n [4]int64
		out := p.ends(t)
		if _, err := fmt.Sscan(out, &n[0], &n[1], &n[2], &n[3]); err != nil {
			t.Errorf("%q: %v", out, err)
		}
		sum.used.Add(n[0])
		sum.removed.Add(n[1])
		sum.busy.Add(n[2])
		sum.gone.Add(n[3])
	}
	t.Logf("used %d times, removed %d times, busy %d times, gone %d times", sum.used.Load(), sum.removed.Load(), sum.busy.Load(), sum.gone.Load())
	if sum.used.Load() == 0 || sum.removed.Load() == 0 || sum.busy.Load() == 0 {
		t.Error("the test does not do what it should")
	}
	s := newStore(t, data)
	if got := names(t, s.Path()); strings.Contains(got, trash) {
		t.Errorf("left: %s", got)
	}
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if i.Running || i.Damaged != "" {
			t.Errorf("%+v", i)
		}
	}
	for _, name := range strings.Fields(names(t, s.Path())) {
		if err := s.Remove(name); err != nil {
			t.Error(err)
		}
	}
	if got := names(t, s.Path()); got != "" {
		t.Errorf("left: %s", got)
	}
}

type tally struct{ used, removed, busy, gone atomic.Int64 }

func taskStress(args []string) error {
	patience, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := fmt.Fscanln(os.Stdin, new(string)); err != nil {
		return err
	}
	var sum tally
	if err := stress(args[0], args[1], patience, &sum); err != nil {
		return err
	}
	fmt.Println(sum.used.Load(), sum.removed.Load(), sum.busy.Load(), sum.gone.Load())
	return nil
}

// stress returns the first error that should not be.
func stress(data, home string, patience time.Duration, sum *tally) error {
	s, err := Open(data)
	if err != nil {
		return err
	}
	defer s.Close()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		name := []string{"a", "b", "c"}[rand.IntN(3)]
		var b *Box
		var what string
		switch rand.IntN(8) {
		case 0, 1, 2:
			what = "Acquire"
			b, err = s.Acquire(name)
		case 3:
			what = "Get"
			b, err = s.Get(name)
		case 4:
			what = "Create"
			if rand.IntN(2) == 0 {
				name = ""
			}
			b, err = s.Create(name)
			if name != "" && errors.Is(err, fs.ErrExist) {
				sum.busy.Add(1)
				continue
			}
		case 5, 6:
			what = "Remove"
			if err = s.Remove(name); err == nil {
				sum.removed.Add(1)
			}
		case 7:
			what = "List"
			_, err = s.List()
		}
		var busy *BusyError
		switch {
		case errors.As(err, &busy) && (what == "Acquire" || what == "Get" || what == "Remove"):
			sum.busy.Add(1)
			continue
		case errors.Is(err, fs.ErrNotExist) && (what == "Get" || what == "Remove"):
			sum.gone.Add(1)
			continue
		case err != nil:
			return fmt.Errorf("%s %s: %w", what, name, err)
		case b == nil:
			continue
		}
		if err := use(b, home, sum); err != nil {
			return fmt.Errorf("%s %s: %w", what, name, err)
		}
	}
	return nil
}

// use runs something in a box, with a mark in it that would show whether somebody else is there too.
func use(b *Box, home string, sum *tally) error {
	sum.used.Add(1)
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY | unix.O_CLOEXEC
	mark, err := unix.Openat(b.fd, "mark", flags, 0o600)
	if err != nil {
		return fmt.Errorf("cannot mark the box: %w", err)
	}
	unix.Close(mark)
	if err := b.Prepare(home, "kernel", false); err != nil {
		return err
	}
	if f, err := os.OpenFile(b.Upper()+"/f", os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return err
	} else {
		f.Close()
	}
	if err := unix.Unlinkat(b.fd, "mark", 0); err != nil {
		return fmt.Errorf("cannot take the mark away: %w", err)
	}
	if rand.IntN(2) == 0 {
		sum.removed.Add(1)
		return b.Remove()
	}
	return b.Close()
}
