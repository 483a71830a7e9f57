package overlay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Small files of the home are told apart by what is in them: those up to hashSize, but no more than hashBudget bytes
// in all, so that the end of a run is not felt.
const (
	hashSize   = 64 << 10
	hashBudget = 16 << 20
)

// Settled is what Settle found.
type Settled struct {
	Changes    int   // as Count says
	Bytes      int64 // that the upper directory takes on disk
	Underneath int   // of these paths, so many were changed in the home while the program ran
}

// Runs say when programs ran, by the clock of the home's file system.
type Runs struct {
	First time.Time // when the first run of the box began
	Last  time.Time // and the last
	// Since is, for Settle, when the first of those runs began whose changes were not yet settled: mostly the last.
	Since time.Time
}

// Settle counts the changes as Count does, and writes for ReadBase what the home has there now, to what create makes.
// That is not called where nothing changed. Old is what was written after the run before, or nil.
func Settle(ctx context.Context, upper, home string, opts Options, runs Runs, old io.Reader, create func() (io.Writer, error)) (s Settled, err error) {
	upperfd, err := unix.Open(upper, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return s, fmt.Errorf("cannot open the changes in %s: %w", upper, err)
	}
	defer unix.Close(upperfd)
	homefd, err := unix.Open(home, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return s, fmt.Errorf("cannot open the home directory %s: %w", home, err)
	}
	defer unix.Close(homefd)
	return settle(ctx, upperfd, homefd, opts, runs, old, create)
}

func settle(ctx context.Context, upperfd, homefd int, opts Options, runs Runs, old io.Reader, create func() (io.Writer, error)) (s Settled, err error) {
	r := recorder{home: homefd, create: create, budget: hashBudget, t0: runs.Since.UnixNano()}
	covers := runs.Last.UnixNano()
	if old != nil {
		r.old = readNotes(old)
		r.find = r.earlier
		if err := r.begin(); err != nil { // or notes of what is no change any more would stay
			return s, err
		}
	}
	s.Changes, err = r.record(ctx, upperfd, opts, func() int64 {
		if r.old == nil {
			return covers
		}
		for r.old.next != "" {
			r.old.advance() // to what it covers
		}
		if r.old.err != nil {
			return 0
		}
		return max(covers, r.old.covers)
	})
	s.Underneath, s.Bytes = r.underneath, r.bytes
	return s, err
}

// Rebase writes anew, for ReadBase, what the home had where the box changes it, after the box was changed by other than
// a run: by an apply, a discard, an undo. It takes that from olds, of which the first that knows a path counts. Again are
// paths of which the home's file was taken out and put back just now, as it was.
func Rebase(ctx context.Context, upper, home int, opts Options, again []string, olds []*Base, create func() (io.Writer, error)) (s Settled, err error) {
	back := map[string]bool{}
	for _, p := range again {
		back[p] = true
	}
	r := recorder{home: home, create: create}
	r.find = func(p string, now ident) (n note, ok bool) {
		for _, old := range olds {
			if n, ok, _ = old.of(p); ok {
				break
			}
		}
		if ok && back[p] && !now.none() {
			n.again = now.CTime
		}
		return n, ok
	}
	if err := r.begin(); err != nil {
		return s, err
	}
	s.Changes, err = r.record(ctx, upper, opts, func() (covers int64) {
		for _, old := range olds {
			covers = max(covers, old.covers)
		}
		return covers
	})
	s.Bytes = r.bytes
	return s, err
}

// A recorder writes a note for each path that changed, but those below one that the home does not have as a directory.
type recorder struct {
	home       int
	t0         int64                                  // 0: only what is noted already stays
	find       func(p string, now ident) (note, bool) // what is noted already
	old        *baseReader
	create     func() (io.Writer, error)
	out        *bufio.Writer
	top        string // nothing below it has a note
	inherited  note   // of the old notes, that of the last path that was not there, and below which we are
	inheritor  string
	underneath int
	bytes      int64 // of the upper, on disk
	budget     int64
	way        []wayPart
	line       []byte
}

// A wayPart is a directory above the last path.
type wayPart struct {
	dir   string
	moved bool
}

// record writes notes of all changes, if there are any or it was begun, and how far they can be relied on.
func (r *recorder) record(ctx context.Context, upperfd int, opts Options, covers func() int64) (n int, err error) {
	var unreadable *UnreadableError
	w := newWalker(ctx, opts, func(c Change) error {
		n++
		return r.change(&c)
	})
	err = w.walk(upperfd, r.home)
	r.bytes = w.bytes
	if err != nil && !errors.As(err, &unreadable) || r.out == nil {
		return n, err
	}
	until := covers()
	if unreadable != nil {
		until = 0
	}
	r.out.WriteString("end " + strconv.FormatInt(until, 10) + "\n")
	return n, errors.Join(err, r.out.Flush())
}

func (r *recorder) change(c *Change) error {
	if r.top != "" && under(c.Path, r.top) {
		return nil
	}
	r.top = ""
	if c.Before.Type != TypeDir && c.After.Type == TypeDir {
		r.top = c.Path
	}
	var n note
	ok := false
	if r.find != nil {
		n, ok = r.find(c.Path, c.Before.ident())
	}
	if !ok {
		if r.t0 == 0 {
			return nil
		}
		n = r.note(c)
		if n.moved || n.id.CTime > n.T0 {
			r.underneath++
		}
	}
	if err := r.begin(); err != nil {
		return err
	}
	r.line = n.append(r.line[:0], c.Path)
	_, err := r.out.Write(r.line)
	return err
}

func (r *recorder) begin() error {
	if r.out != nil {
		return nil
	}
	w, err := r.create()
	if err != nil {
		return err
	}
	r.out = bufio.NewWriterSize(w, 64<<10)
	_, err = r.out.WriteString(baseHeader + "\n")
	return err
}

// earlier finds the note that an earlier run left. Both come in the same order.
func (r *recorder) earlier(p string, _ ident) (note, bool) {
	for r.old.next != "" && (r.old.next == p || before(r.old.next, p)) {
		if n := r.old.note; r.old.next == p {
			r.old.advance()
			return n, true
		} else if n.id.none() || !n.id.isDir() {
			r.inherited, r.inheritor = note{T0: n.T0}, r.old.next
		}
		r.old.advance()
	}
	if r.inheritor != "" && under(p, r.inheritor) {
		return r.inherited, true
	}
	return note{}, false
}

// note makes a new one.
func (r *recorder) note(c *Change) note {
	n := note{T0: r.t0, id: c.Before.ident()}
	if n.id.none() {
		return n
	}
	n.moved = r.movedAbove(c.Path)
	if c.Before.Type == TypeFile && c.Before.Size <= hashSize && r.budget >= c.Before.Size {
		r.budget -= c.Before.Size
		n.hash, n.hashed = hashOf(r.home, c.Path, c.Before.ident())
	}
	return n
}

// movedAbove tells whether a directory on the way to p was put there, or got other attributes, since the run began:
// its time of change is later, and is not that of a change of what is in it. A file that was in a directory keeps its
// time of change when that is moved (reference: overlay, 2.55).
func (r *recorder) movedAbove(p string) bool {
	for len(r.way) > 0 && !strings.HasPrefix(p, r.way[len(r.way)-1].dir+"/") {
		r.way = r.way[:len(r.way)-1]
	}
	known, moved := "", false
	if len(r.way) > 0 {
		last := r.way[len(r.way)-1]
		known, moved = last.dir, last.moved
	}
	dir := parentOf(p)
	if dir == "." || dir == known {
		return moved
	}
	end := 0
	if known != "" {
		end = len(known) + 1
	}
	for ; ; end++ {
		i := strings.IndexByte(p[end:], '/')
		if i < 0 {
			return moved
		}
		end += i
		var st unix.Stat_t
		err := statBeneath(r.home, p[:end], &st)
		moved = moved || err != nil || st.Ctim.Nano() > r.t0 && st.Ctim != st.Mtim
		r.way = append(r.way, wayPart{p[:end], moved})
	}
}

// hashOf hashes a regular file of the home, if it still is the one of id: FNV-1a, as only chance has to be kept from
// two contents of one length with one hash.
func hashOf(home int, p string, id ident) (hash uint64, ok bool) {
	dir, err := openBeneath(home, parentOf(p), unix.O_PATH)
	if err != nil {
		return 0, false
	}
	defer unix.Close(dir)
	fd, size, err := openFile(dir, path.Base(p))
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || !identOf(&st).untouched(id) {
		return 0, false
	}
	return hashFile(fd, size)
}

func hashFile(fd int, size int64) (hash uint64, ok bool) {
	buf := buffers.Get().(*[chunk]byte)
	defer buffers.Put(buf)
	if size > chunk {
		return 0, false
	}
	if whole, err := readAt(fd, buf[:size], 0); err != nil || !whole {
		return 0, false
	}
	hash = 0xcbf29ce484222325
	for _, b := range buf[:size] {
		hash = (hash ^ uint64(b)) * 0x100000001b3
	}
	return hash, true
}
