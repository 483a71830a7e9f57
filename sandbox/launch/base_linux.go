package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"cove/internal/box"
	"cove/overlay"
)

// Without box.BaseFile, all that changed in the home since the first run counts as changed underneath: so it fails
// nothing that it cannot be written.

// RunsOf says when programs ran in a box.
func RunsOf(m *box.Meta) (r overlay.Runs) {
	if n := len(m.Runs); n > 0 {
		r = overlay.Runs{First: m.Runs[0].T0, Last: m.Runs[n-1].T0, Since: m.Since()}
	}
	return r
}

// Base reads what the home was like where a box changes it; open opens a file of the box.
func Base(m *box.Meta, open func(name string) (*os.File, error)) *overlay.Base {
	f, err := open(box.BaseFile)
	if err != nil {
		return overlay.ReadBase(nil, RunsOf(m))
	}
	defer f.Close()
	return overlay.ReadBase(f, RunsOf(m))
}

// A baseWriter is a draft that may fail, in silence.
type baseWriter struct {
	b     *box.Box
	draft *box.Draft
	err   error
}

func (w *baseWriter) create() (io.Writer, error) {
	w.draft, w.err = w.b.Draft(box.BaseFile)
	return w, nil
}

func (w *baseWriter) Write(p []byte) (int, error) {
	if w.err == nil {
		_, w.err = w.draft.Write(p)
	}
	return len(p), nil
}

func (w *baseWriter) end() error {
	switch {
	case w.draft == nil:
	case w.err != nil:
		w.draft.Drop()
	default:
		w.err = w.draft.Keep()
	}
	if w.err != nil {
		return fmt.Errorf("cannot write down what your home was like: %w", w.err)
	}
	return nil
}

// settleBase counts what changed in a run, and writes down what the home is like there.
func settleBase(b *box.Box, home string, opt overlay.Options) (s overlay.Settled, counting, writing error) {
	var old io.Reader
	if f, err := b.Open(box.BaseFile); err == nil {
		defer f.Close()
		if st, err := f.Stat(); err == nil && st.Size() > 0 {
			old = f
		}
	}
	w := baseWriter{b: b}
	s, counting = overlay.Settle(context.Background(), b.Upper(), home, opt, RunsOf(&b.Meta), old, w.create)
	var unreadable *overlay.UnreadableError
	if counting != nil && !errors.As(counting, &unreadable) {
		w.err = errors.Join(w.err, counting)
	}
	return s, counting, w.end()
}

// Rebase writes down what the home is like, after the box was changed by other than a run; see overlay.Rebase. It
// returns how many changes are left.
func Rebase(b *box.Box, upper, home int, opt overlay.Options, again []string, olds ...*overlay.Base) (int, error) {
	w := baseWriter{b: b}
	s, err := overlay.Rebase(context.Background(), upper, home, opt, again, olds, w.create)
	var unreadable *overlay.UnreadableError
	if b.Meta.Tally = nil; err == nil && b.RootEmpty() {
		b.Meta.Tally = &box.Tally{Changes: s.Changes, Bytes: s.Bytes}
	}
	if errors.As(err, &unreadable) {
		err = nil
	}
	w.err = errors.Join(w.err, err)
	return s.Changes, errors.Join(w.end(), b.WriteJSON("box.json", &b.Meta))
}

// RemoveTree is box.RemoveTree, also where there are files of subordinate ids.
func RemoveTree(dirfd int, name string) error {
	err := box.RemoveTree(dirfd, name)
	var needs *box.NeedsMapError
	if !errors.As(err, &needs) {
		return err
	}
	// The helper is another process: it needs the directory's path. Nobody but us moves what is in a box.
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlink(fmt.Sprintf("/proc/self/fd/%d", dirfd), buf)
	if err != nil {
		return err
	}
	return mapped(&box.NeedsMapError{Dir: string(buf[:n]), Name: name, UID: needs.UID})
}
