package overlay

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Walk compares the upper directory upperfd with the real home homefd, both directories opened in any way, and tells
// of each path that differs, in a fixed order: a directory before what is in it, and names by their bytes. All of
// what Walk opens are directories and regular files; it changes nothing.
//
// The cost is that of the upper's entries, of the bytes in regular files that have the same size on both sides, and
// of the entries of the home's directories that were made anew.
//
// An error of tell ends the walk and is returned as it is. With an *UnreadableError, everything else was told.
func Walk(ctx context.Context, upperfd, homefd int, opts Options, tell func(Change) error) error {
	w := newWalker(ctx, opts, tell)
	return w.walk(upperfd, homefd)
}

// Count returns how many changes Walk would tell of. With an *UnreadableError there may be more.
func Count(ctx context.Context, upper, home string, opts Options) (int, error) {
	n, _, err := Measure(ctx, upper, home, opts)
	return n, err
}

// Measure is Count, and also returns how many bytes the upper directory takes on disk.
func Measure(ctx context.Context, upper, home string, opts Options) (n int, bytes int64, err error) {
	upperfd, err := unix.Open(upper, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("cannot open the changes in %s: %w", upper, err)
	}
	defer unix.Close(upperfd)
	homefd, err := unix.Open(home, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("cannot open the home directory %s: %w", home, err)
	}
	defer unix.Close(homefd)
	w := newWalker(ctx, opts, nil)
	err = w.walk(upperfd, homefd)
	return w.n, w.bytes, err
}

func newWalker(ctx context.Context, opts Options, tell func(Change) error) *walker {
	return &walker{ctx: ctx, opts: opts, masks: newMasks(opts.Hidden, opts.Mounts), tell: tell}
}

func (w *walker) walk(upperfd, homefd int) error {
	w.buf = buffers.Get().(*[chunk]byte)
	defer buffers.Put(w.buf)
	defer func() {
		for i := range w.stack {
			w.stack[i].free()
		}
	}()
	err := w.run(upperfd, homefd)
	if err == nil && w.unreadable.N > 0 {
		err = &w.unreadable
	}
	return err
}

var buffers = sync.Pool{New: func() any { return new([chunk]byte) }}

// A walker goes through an upper directory, depth first.
//
//	                         ┌────── fill: examine the next names, several at once ◄─┐
//	enter the top ──► push ──┴─► take one after the other: emit it; is it a directory? no
//	                   ▲                                                             │ yes
//	                   └──────── enter: open both sides, compare the two, read the names
//	pop when all were taken
type walker struct {
	ctx   context.Context
	opts  Options
	masks masks
	tell  func(Change) error // nil to count only

	stack      []level
	told       int    // levels below this have nothing left to tell of themselves
	path       []byte // of what is being done; "" is the home
	n          int
	bytes      int64 // on disk, of the upper
	unreadable UnreadableError
	crew       []*examiner
	spare      []pair // memory for the next batch
	buf        *[chunk]byte
}

func (w *walker) run(upperfd, homefd int) error {
	if err := w.top(upperfd, homefd); err != nil {
		return err
	}
	for len(w.stack) > 0 {
		l := &w.stack[len(w.stack)-1]
		switch {
		case l.next < len(l.batch):
			p := l.batch[l.next]
			if l.next++; l.next == len(l.batch) {
				w.spare, l.batch, l.next = l.batch, nil, 0 // not to be kept while we are in what is below
			}
			if err := w.take(l, &p); err != nil {
				return err
			}
		case len(l.todo)+len(l.gone) > 0:
			if err := w.fill(l); err != nil {
				return err
			}
		default:
			if err := w.pop(); err != nil {
				return err
			}
		}
	}
	return nil
}

// batchSize is how many names are examined before they are told of. There may be such a batch at every level.
const batchSize = 128

// fill examines the next names of a directory.
func (w *walker) fill(l *level) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	batch, n := w.spare[:0], min(batchSize, len(l.todo)+len(l.gone))
	if w.spare = nil; cap(batch) < n {
		batch = make([]pair, 0, n)
	}
	for len(batch) < n {
		if len(l.gone) == 0 || len(l.todo) > 0 && l.todo[0] < l.gone[0] {
			batch = append(batch, pair{name: l.todo[0], alone: l.lacks(l.todo[0])})
			l.todo = l.todo[1:]
		} else {
			batch = append(batch, pair{name: l.gone[0], gone: true})
			l.gone = l.gone[1:]
		}
	}
	l.batch, l.next = batch, 0
	if w.crew == nil {
		w.crew = make([]*examiner, min(runtime.GOMAXPROCS(0), 8))
		for i := range w.crew {
			w.crew[i] = &examiner{w: w, comparer: comparer{ctx: w.ctx}}
		}
	}
	if len(batch) < 8 || len(w.crew) == 1 {
		for i := range batch {
			w.crew[0].examine(l, &batch[i])
		}
		return w.ctx.Err()
	}
	var next atomic.Int32
	work := func(x *examiner) {
		for i := int(next.Add(1)) - 1; i < len(batch); i = int(next.Add(1)) - 1 {
			x.examine(l, &batch[i])
		}
	}
	var wg sync.WaitGroup
	for _, x := range w.crew[1:] {
		wg.Go(func() { work(x) })
	}
	work(w.crew[0])
	wg.Wait()
	return w.ctx.Err()
}

// take tells of a pair that was examined, and goes into it where it is a directory.
func (w *walker) take(l *level, p *pair) error {
	w.path = w.path[:l.end]
	if l.end > 0 {
		w.path = append(w.path, '/')
	}
	w.path = append(w.path, p.name...)
	if p.err != nil {
		w.cannot(p.err)
	}
	if p.upper.Type != TypeWhiteout {
		w.bytes += p.upper.blocks * 512
	}
	if p.kind != "" && !w.made(p) {
		c := w.change(l, p)
		if err := w.emit(w.path, &c); err != nil {
			return err
		}
	}
	if p.upper.Type == TypeDir {
		return w.enter(l, p)
	}
	return nil
}

// made tells whether p, which is at w.path, is as Options.Made has it.
func (w *walker) made(p *pair) bool {
	link, ok := w.opts.Made[string(w.path)]
	if !ok || p.kind != Added {
		return false
	}
	switch p.upper.Type {
	case TypeDir:
		return link == ""
	case TypeFile:
		return link == "" && p.upper.Size == 0 && p.upper.Mode&0o6000 == 0
	case TypeSymlink:
		return link != "" && p.upper.Target == link
	}
	return false
}

// cannot notes that what is at w.path could not be read.
func (w *walker) cannot(err error) { w.unreadable.add(orDot(w.path), err) }

func orDot(p []byte) string {
	if len(p) == 0 {
		return "."
	}
	return string(p)
}

// emit tells of a change, but first of the directories above it that were replaced.
func (w *walker) emit(path []byte, c *Change) error {
	for ; w.told < len(w.stack); w.told++ {
		l := &w.stack[w.told]
		if r := l.replaced; r != nil {
			l.replaced = nil
			if err := w.send(w.path[:l.end], r); err != nil {
				return err
			}
		}
	}
	return w.send(path, c)
}

func (w *walker) send(path []byte, c *Change) error {
	w.n++
	if w.tell == nil {
		return nil
	}
	c.Path = orDot(path)
	return w.tell(*c)
}

// change makes what is told of p, which is at w.path in l.
func (w *walker) change(l *level, p *pair) Change {
	c := Change{Kind: p.kind, Flags: p.flags, Before: p.home, After: p.upper}
	if w.tell == nil {
		return c
	}
	if l.hidden || w.masks.at(w.path) || p.home.Type == TypeDir && p.kind != Meta && w.hides(l.home, p.name) {
		c.Flags |= Hidden
	}
	if c.After.Type == TypeWhiteout {
		c.After = Attr{}
	}
	return c
}

// hides tells whether the directory that is taken away, name in the home's directory dirfd, has something in it that
// the program did not see.
func (w *walker) hides(dirfd int, name string) bool {
	for _, h := range w.masks.hidden {
		if way, ok := below(h, w.path); ok {
			var st unix.Stat_t
			err := statBeneath(dirfd, name+"/"+way, &st)
			if err != unix.ENOENT && err != unix.ENOTDIR && err != unix.ELOOP {
				return true
			}
		}
	}
	return false
}
