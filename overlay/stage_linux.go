package overlay

import (
	"bufio"
	"context"
	"fmt"
	"path"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// A stager copies what is to come into the home from an upper directory into slots: directories of ours, on the disk
// before anything of the home is touched. A directory that is new to the home is made as a whole, so that one rename
// publishes it.
//
//	ops ──► tasks: some ops, or some names of one directory ──► workers, each with a copier
//	                 ▲                                              │ a directory is made, and what is in it
//	                 └──────────────────────────────────────────────┘ becomes tasks
//	then, alone: names of files that are staged already (hard links), attributes of directories
type stager struct {
	ctx     context.Context
	upper   int
	slots   int // the directory of slots
	backend Backend
	want    func(path string) bool // whether a path below an op's is to be staged too
	bare    func(path string) bool // whether setuid and setgid are to be taken off
	noFifos func(path string) bool
	refuse  func(path string, why Cause, err error) // what is not staged; one caller at a time
	staged  func(files, bytes int64)                // what was, since the last call; one caller at a time
	tree    *bufio.Writer                           // what was made in directories: undo looks there whether they are still so
	sync    bool
	raw     bool // it is no upper directory: whiteouts, devices and sockets are what they are

	mu      sync.Mutex
	todo    []task
	working int
	wake    sync.Cond
	err     error

	dirs  []madeDir
	links map[fileID]string // the slot, or the path below one, of the first name
	later []laterLink
}

// A task is to stage ops, or with names, what is in a directory.
type task struct {
	ops   []*op
	src   string // relative to the upper directory
	dst   string // relative to the directory of slots
	n     int    // of the op it belongs to
	names []string
}

// A madeDir gets its attributes when all that is in it was made.
type madeDir struct {
	op     *op // where it is an op's own
	n      int
	src    string
	dst    string
	st     unix.Stat_t
	xattrs []xattr
}

// A laterLink is a further name of a file.
type laterLink struct {
	op       *op // where it is an op's own
	n        int
	src, dst string
	file     fileID
}

// batchOps is how many ops, or names of a directory, a worker takes at once.
const batchOps = 64

// slotOf is where the staged or the replaced file of an op is, relative to the directory of slots.
func slotOf(n int) string { return strconv.Itoa(n/slotsPerDir) + "/" + strconv.Itoa(n) }

// slotsPerDir keeps directories of slots small, and lets workers make files beside one another.
const slotsPerDir = 256

// run stages ops, and sets New of each. An op that is refused keeps none.
func (s *stager) run(ops []*op) error {
	for i := 0; i < len(ops); i += batchOps {
		s.todo = append(s.todo, task{ops: ops[i:min(i+batchOps, len(ops))]})
	}
	// Taken from the end: turn them around, so that they are staged in order, more or less.
	for i, j := 0, len(s.todo)-1; i < j; i, j = i+1, j-1 {
		s.todo[i], s.todo[j] = s.todo[j], s.todo[i]
	}
	return s.workers()
}

// one copies src, with all below it, to dst, both relative to the stager's directories.
func (s *stager) one(src, dst string) (ident, error) {
	var o op
	s.todo = []task{{ops: []*op{&o}, src: src, dst: dst}}
	err := s.workers()
	return o.New, err
}

func (s *stager) workers() error {
	s.wake.L = &s.mu
	s.links = map[fileID]string{}
	var wg sync.WaitGroup
	for range min(max(2, runtime.GOMAXPROCS(0)), 8) {
		wg.Go(s.work)
	}
	wg.Wait()
	if s.err != nil {
		return s.err
	}
	if err := s.finishLinks(); err != nil {
		return err
	}
	return s.finishDirs()
}

func (s *stager) work() {
	c := newCopier(s.ctx)
	c.sync = s.sync
	w := worker{s: s, copier: c, src: newOpener(s.upper), dst: newOpener(s.slots)}
	defer w.src.close()
	defer w.dst.close()
	for {
		s.mu.Lock()
		for len(s.todo) == 0 && s.working > 0 && s.err == nil {
			s.wake.Wait()
		}
		if len(s.todo) == 0 || s.err != nil {
			s.mu.Unlock()
			s.wake.Broadcast()
			return
		}
		t := s.todo[len(s.todo)-1]
		s.todo = s.todo[:len(s.todo)-1]
		s.working++
		s.mu.Unlock()

		err := w.do(t)

		s.mu.Lock()
		s.working--
		if err != nil && s.err == nil {
			s.err = err
		}
		if s.err == nil && s.staged != nil {
			s.staged(w.files, w.bytes)
		}
		w.files, w.bytes = 0, 0
		s.mu.Unlock()
		s.wake.Broadcast()
	}
}

// A worker stages one file after the other.
type worker struct {
	s            *stager
	copier       *copier
	src, dst     opener
	files, bytes int64
}

func (w *worker) do(t task) error {
	if t.ops != nil {
		for _, o := range t.ops {
			if err := w.s.ctx.Err(); err != nil {
				return err
			}
			src, dst := o.Path, slotOf(o.N)
			if t.dst != "" {
				src, dst = t.src, t.dst
			}
			id, err := w.entry(o.N, src, dst, o)
			if err != nil {
				return err
			}
			o.New = id
		}
		return nil
	}
	if t.names == nil {
		return w.list(t)
	}
	for _, name := range t.names {
		if err := w.s.ctx.Err(); err != nil {
			return err
		}
		if _, err := w.entry(t.n, t.src+"/"+name, t.dst+"/"+name, nil); err != nil {
			return err
		}
	}
	return nil
}

// list turns what is in a directory into tasks. The first is done at once.
func (w *worker) list(t task) error {
	fd, err := w.src.read(t.src)
	if err != nil {
		w.s.refused(t.src, Unreadable, err)
		return nil
	}
	names, err := readNames(fd, make([]byte, chunk))
	unix.Close(fd)
	if err != nil {
		w.s.refused(t.src, Unreadable, err)
		return nil
	}
	names, _, _ = w.s.backend.sift(names)
	// Below a directory that the home lacks, nothing can be deleted, and nothing of it shows through.
	first := names[:min(len(names), batchOps)]
	w.s.mu.Lock()
	for rest := names[len(first):]; len(rest) > 0; {
		some := rest[:min(len(rest), batchOps)]
		rest = rest[len(some):]
		w.s.todo = append(w.s.todo, task{src: t.src, dst: t.dst, n: t.n, names: some})
	}
	w.s.mu.Unlock()
	w.s.wake.Broadcast()
	t.names = first
	if len(first) == 0 {
		return nil
	}
	return w.do(t)
}

// entry stages one file, at dst. With o it is an op's own, and was asked for.
func (w *worker) entry(n int, src, dst string, o *op) (id ident, err error) {
	s := w.s
	if o == nil && !s.want(src) {
		return id, nil
	}
	srcDir, err := w.src.dir(parentOf(src))
	if err != nil {
		return id, s.refusedOr(src, err)
	}
	var st unix.Stat_t
	name := path.Base(src)
	if err := unix.Fstatat(srcDir, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT); err != nil {
		return id, s.refusedOr(src, err)
	}
	dstDir, err := w.dst.dir(parentOf(dst))
	if err != nil {
		return id, fmt.Errorf("cannot open the place for a copy of %q: %w", src, err)
	}
	as := path.Base(dst)
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && st.Nlink > 1 && kind != unix.S_IFCHR {
		file := fileID{uint64(st.Dev), st.Ino}
		s.mu.Lock()
		_, again := s.links[file]
		if !again {
			s.links[file] = dst
		} else {
			s.later = append(s.later, laterLink{o, n, src, dst, file})
		}
		s.mu.Unlock()
		if again {
			return id, nil // finishLinks does it
		}
	}
	switch kind {
	case unix.S_IFREG:
		if st.Size == 0 && s.backend != Fuse && !s.raw {
			if white, err := isXwhiteout(srcDir, name); err != nil || white {
				return id, s.refusedOr(src, err)
			}
		}
		id, err = w.copier.file(srcDir, name, dstDir, as, s.bare(src))
		if err == unix.EACCES || err == errChanged {
			s.refused(src, Unreadable, err)
			return ident{}, nil
		}
		w.bytes += st.Size
	case unix.S_IFLNK:
		err = w.copier.link(srcDir, name, dstDir, as, &st)
	case unix.S_IFDIR:
		return w.directory(n, src, dst, o, srcDir, dstDir, as, &st)
	case unix.S_IFIFO:
		if s.noFifos(src) {
			s.refused(src, SpecialFile, nil)
			return id, nil
		}
		err = w.copier.special(dstDir, as, &st)
	default:
		if s.raw && (st.Rdev == 0 || kind == unix.S_IFSOCK) && kind != unix.S_IFBLK {
			err = w.copier.special(dstDir, as, &st)
			break
		}
		if kind != unix.S_IFCHR || st.Rdev != 0 { // otherwise a whiteout of nothing
			s.refused(src, SpecialFile, nil)
		}
		return id, nil
	}
	if err != nil {
		return id, fmt.Errorf("cannot copy %q: %w", src, err)
	}
	w.files++
	if o == nil || kind != unix.S_IFREG {
		if id, err = identAt(dstDir, as); err != nil {
			return id, err
		}
	}
	if o == nil {
		err = s.record(n, dstDir, as, id)
	}
	return id, err
}

// directory makes a directory, and leaves what is in it to be done.
func (w *worker) directory(n int, src, dst string, o *op, srcDir, dstDir int, as string, st *unix.Stat_t) (id ident, err error) {
	s := w.s
	fd, err := openDir(srcDir, path.Base(src), unix.O_RDONLY)
	if err != nil {
		return id, s.refusedOr(src, err)
	}
	defer unix.Close(fd)
	d := madeDir{op: o, n: n, src: src, dst: dst, st: *st}
	if d.xattrs, err = readXattrs(xfile{fd: fd}); err != nil {
		return id, fmt.Errorf("cannot read the attributes of %q: %w", src, err)
	}
	if err := mkdirAt(dstDir, as); err != nil {
		return id, fmt.Errorf("cannot copy %q: %w", src, err)
	}
	w.files++
	id, err = identAt(dstDir, as)
	s.mu.Lock()
	s.dirs = append(s.dirs, d)
	s.todo = append(s.todo, task{src: src, dst: dst, n: n})
	s.mu.Unlock()
	s.wake.Broadcast()
	return id, err
}

// refused tells of what cannot be staged.
func (s *stager) refused(path string, why Cause, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse(path, why, err)
}

// refusedOr takes an error of one path for a refusal of that path.
func (s *stager) refusedOr(path string, err error) error {
	switch err {
	case nil:
		return nil
	case unix.EACCES, unix.EPERM, unix.ENOENT, unix.ENOTDIR, unix.ELOOP:
		s.refused(path, Unreadable, err)
		return nil
	}
	return fmt.Errorf("cannot read %q: %w", path, err)
}

// record writes what was made in a directory, dstDir, that is an op's own or below: entry.tree reads it.
func (s *stager) record(n int, dstDir int, name string, id ident) error {
	if s.tree == nil {
		return nil
	}
	var dir unix.Stat_t
	if err := unix.Fstat(dstDir, &dir); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.tree.AvailableBuffer()
	b = strconv.AppendInt(b, int64(n), 10)
	for _, v := range []int64{int64(dir.Ino), int64(id.Ino), int64(id.Mode), id.Size, id.MTime} {
		b = strconv.AppendInt(append(b, ' '), v, 10)
	}
	_, err := s.tree.Write(append(strconv.AppendQuote(append(b, ' '), name), '\n'))
	return err
}

// finishLinks makes the further names of files that have several.
func (s *stager) finishLinks() error {
	c := newCopier(s.ctx)
	c.sync = s.sync
	w := worker{s: s, copier: c, src: newOpener(s.upper), dst: newOpener(s.slots)}
	defer w.src.close()
	defer w.dst.close()
	first := newOpener(s.slots)
	defer first.close()
	for _, l := range s.later {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		from := s.links[l.file]
		fromDir, err := first.dir(parentOf(from))
		if err != nil {
			return err
		}
		toDir, err := w.dst.dir(parentOf(l.dst))
		if err != nil {
			return err
		}
		err = linkAt(fromDir, path.Base(from), toDir, path.Base(l.dst))
		var id ident
		switch err {
		case nil:
			id, err = identAt(toDir, path.Base(l.dst))
			if l.op == nil && err == nil {
				err = s.record(l.n, toDir, path.Base(l.dst), id)
			}
			w.files++
		case unix.EMLINK, unix.ENOENT, unix.EPERM:
			// The limit of the file system; or the first name was refused, for what it is, and so will this be.
			delete(s.links, l.file)
			id, err = w.entry(l.n, l.src, l.dst, l.op)
		}
		if err != nil {
			return fmt.Errorf("cannot link the copy of %q: %w", l.src, err)
		}
		if l.op != nil {
			l.op.New = id
		}
	}
	if s.staged != nil {
		s.staged(w.files, w.bytes)
	}
	return nil
}

// finishDirs gives directories their attributes, the innermost first.
func (s *stager) finishDirs() error {
	c := newCopier(s.ctx)
	parents := newOpener(s.slots)
	defer parents.close()
	for i := len(s.dirs) - 1; i >= 0; i-- {
		d := &s.dirs[i]
		fd, err := openBeneath(s.slots, d.dst, unix.O_RDONLY)
		if err != nil {
			return err
		}
		st := d.st
		if d.op != nil {
			st.Mode |= 0o300 // or its owner could not move it elsewhere; it is set right there
		}
		err = c.dirAttrs(fd, &st, d.xattrs)
		if err == nil && s.sync {
			err = syncFile(fd)
		}
		var made unix.Stat_t
		if err == nil {
			err = unix.Fstat(fd, &made)
		}
		switch {
		case err != nil:
		case d.op == nil:
			var up int
			if up, err = parents.dir(parentOf(d.dst)); err == nil {
				err = s.record(d.n, up, path.Base(d.dst), identOf(&made))
			}
		default:
			d.op.New = identOf(&made)
			d.op.New.Mode = d.st.Mode
		}
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("cannot give the copy of %q its attributes: %w", d.src, err)
		}
	}
	return nil
}
