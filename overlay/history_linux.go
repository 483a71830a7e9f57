package overlay

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A History keeps what applies did, so that each can be taken back. One directory holds it:
//
//	lock           flock(2), held while something of the home is changed
//	last           the number of the last apply
//	3/             what apply number 3 did:
//	    journal    what it does (journal); without it nothing was done yet
//	    state      how far it has come
//	    slots/     what was taken out of the home, or waits to go there
//	    tree       what was put there in directories
//	    base       what the home was like for the box (Base)
//	    box/       what was taken out of the box then, as the home has it now; and names: where it was there
type History struct {
	path string
	fd   int // -1 where there is none yet
	lock int // -1 where it is not held

	// Remove removes a directory of what was kept; nil: box.RemoveTree, which cannot if files of subordinate ids are in
	// it. What cannot be removed is tried again the next time.
	Remove func(dirfd int, name string) error
}

// OpenHistory opens the history in dir, which need not exist.
func OpenHistory(dir string) (*History, error) {
	h := &History{path: dir, fd: -1, lock: -1}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == nil {
		h.fd = fd
	} else if err != unix.ENOENT {
		return nil, fmt.Errorf("cannot open the record of what was applied: %w", &fs.PathError{Op: "open", Path: dir, Err: err})
	}
	return h, nil
}

// Close lets it go, with its lock.
func (h *History) Close() {
	h.Unlock()
	if h.fd >= 0 {
		unix.Close(h.fd)
	}
	h.fd = -1
}

// Lock waits until nobody else applies anything, or takes it back, and then removes what was prepared but never begun.
func (h *History) Lock(ctx context.Context) error {
	if h.lock >= 0 {
		return nil
	}
	if h.fd < 0 {
		if err := os.MkdirAll(h.path, 0o700); err != nil {
			return fmt.Errorf("cannot make a place for what is replaced: %w", err)
		}
		fd, err := unix.Open(h.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: h.path, Err: err}
		}
		h.fd = fd
	}
	fd, err := unix.Openat(h.fd, "lock", unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the lock of %s: %w", h.path, err)
	}
	for {
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if err == unix.EWOULDBLOCK || err == unix.EINTR {
			select {
			case <-ctx.Done():
				err = context.Cause(ctx)
			case <-time.After(20 * time.Millisecond):
				continue
			}
		}
		unix.Close(fd)
		return fmt.Errorf("cannot lock %s: %w", h.path, err)
	}
	h.lock = fd
	h.sweep()
	return nil
}

// Unlock lets others.
func (h *History) Unlock() {
	if h.lock >= 0 {
		unix.Close(h.lock)
	}
	h.lock = -1
}

// Busy tells whether somebody is at it, perhaps ourselves.
func (h *History) Busy() bool {
	if h.fd < 0 {
		return false
	}
	fd, err := unix.Openat(h.fd, "lock", unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// An Applied is one apply.
type Applied struct {
	ID    int       `json:"id"` // what cove undo takes
	Box   string    `json:"box"`
	BoxID string    `json:"box_id"` // tells it from another one of that name
	Home  string    `json:"home"`
	When  time.Time `json:"when"`
	Paths int       `json:"paths"` // how many changed
	// Unfinished tells that cove or the machine was stopped before it was done, or while it was taken back (Back).
	Unfinished bool `json:"unfinished,omitempty"`
	Back       bool `json:"taken_back,omitempty"`
}

// List returns all that can be taken back or is unfinished, the newest last. What was taken back is listed only where
// something is kept of it.
func (h *History) List() (list []Applied, err error) {
	for _, n := range h.numbers() {
		a, err := h.peek(n)
		switch {
		case errors.Is(err, fs.ErrNotExist): // nothing was begun
		case err != nil:
			return list, err
		default:
			list = append(list, a)
		}
	}
	return list, nil
}

// peek reads what List tells of an entry: its journal may be long.
func (h *History) peek(n int) (a Applied, err error) {
	if h.fd < 0 {
		return a, fmt.Errorf("cannot find apply %d: %w", n, fs.ErrNotExist)
	}
	e := entry{h: h, n: n, fd: -1, slots: -1, journal: new(journal)}
	defer e.close()
	if e.fd, err = h.dir(n); err != nil {
		return a, err
	}
	if e.state, err = readState(e.fd); err == nil && e.state.Phase == "" {
		err = fs.ErrNotExist
	}
	if err == nil {
		var f *os.File
		if f, err = openEntryFile(e.fd, "journal"); err == nil {
			defer f.Close()
			if json.NewDecoder(f).Decode(&e.header) != nil {
				err = errJournal
			}
		}
	}
	if err != nil {
		return a, fmt.Errorf("cannot use apply %d, in %s/%d: %w", n, h.path, n, err)
	}
	return e.info(), nil
}

// Unfinished returns what was stopped midway, or nil. It is quick: every command may ask.
func (h *History) Unfinished() *Applied {
	for _, n := range slices.Backward(h.numbers()) {
		fd, err := h.dir(n)
		if err != nil {
			continue
		}
		s, err := readState(fd)
		unix.Close(fd)
		if err != nil || !s.Phase.open() {
			continue
		}
		if info, err := h.peek(n); err == nil {
			return &info
		}
	}
	return nil
}

// Base reads what the home was like for the box before an apply: for Rebase, after undo.
func (h *History) Base(id int) *Base {
	none := ReadBase(nil, Runs{})
	fd, err := h.dir(id)
	if err != nil {
		return none
	}
	defer unix.Close(fd)
	f, err := openEntryFile(fd, "base")
	if err != nil {
		return none
	}
	defer f.Close()
	return ReadBase(f, Runs{})
}

// Forget removes what is kept of an apply, which then cannot be taken back any more. The lock must be held.
func (h *History) Forget(id int) error {
	a, err := h.peek(id)
	if err != nil {
		return err
	}
	if a.Unfinished {
		return fmt.Errorf("cannot forget apply %d: it is unfinished", id)
	}
	return h.remove(id)
}

func (h *History) numbers() (list []int) {
	if h.fd < 0 {
		return nil
	}
	fd, err := unix.Openat(h.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	names, _ := readNames(fd, make([]byte, 8<<10))
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n > 0 && strconv.Itoa(n) == name {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

func (h *History) dir(n int) (int, error) {
	fd, err := unix.Openat(h.fd, strconv.Itoa(n), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: h.path + "/" + strconv.Itoa(n), Err: err}
	}
	return fd, nil
}

// An entry is the directory of one apply.
type entry struct {
	h     *History
	n     int
	fd    int
	slots int
	*journal
	state state
}

// create makes the next entry. What it holds, counts from when begin returns.
func (h *History) create() (*entry, error) {
	last := 0
	if text, err := os.ReadFile(h.path + "/last"); err == nil {
		last, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	for _, n := range h.numbers() {
		last = max(last, n)
	}
	n := last + 1
	name := strconv.Itoa(n)
	if err := mkdirAt(h.fd, name); err != nil {
		return nil, fmt.Errorf("cannot make %s/%s: %w", h.path, name, err)
	}
	if err := writeFile(h.fd, "last", func(w io.Writer) error { _, err := w.Write([]byte(name + "\n")); return err }); err != nil {
		return nil, fmt.Errorf("cannot write %s/last: %w", h.path, err)
	}
	e := &entry{h: h, n: n, fd: -1, slots: -1, journal: new(journal)}
	var err error
	if e.fd, err = h.dir(n); err == nil {
		if err = mkdirAt(e.fd, "slots"); err == nil {
			e.slots, err = openDir(e.fd, "slots", unix.O_RDONLY)
		}
	}
	if err != nil {
		e.close()
		return nil, fmt.Errorf("cannot make %s/%s: %w", h.path, name, err)
	}
	return e, nil
}

// open reads an entry. One that was never begun is fs.ErrNotExist.
func (h *History) open(n int) (*entry, error) {
	if h.fd < 0 {
		return nil, fmt.Errorf("cannot find apply %d: %w", n, fs.ErrNotExist)
	}
	e := &entry{h: h, n: n, fd: -1, slots: -1}
	fd, err := h.dir(n)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot find apply %d: %w", n, fs.ErrNotExist)
	} else if err != nil {
		return nil, err
	}
	e.fd = fd
	if e.state, err = readState(fd); err == nil && e.state.Phase == "" {
		err = fs.ErrNotExist
	}
	if err == nil {
		err = e.readJournal()
	}
	if err == nil {
		e.slots, err = openDir(fd, "slots", unix.O_RDONLY)
	}
	if err != nil {
		e.close()
		return nil, fmt.Errorf("cannot use apply %d, in %s/%d: %w", n, h.path, n, err)
	}
	return e, nil
}

func (e *entry) readJournal() error {
	f, err := openEntryFile(e.fd, "journal")
	if err != nil {
		return err
	}
	defer f.Close()
	e.journal, err = readJournal(f)
	return err
}

func (e *entry) info() Applied {
	return Applied{ID: e.n, Box: e.Box, BoxID: e.BoxID, Home: e.Home, When: e.When, Paths: e.Paths,
		Unfinished: e.state.Phase.open(), Back: e.state.Phase == takingBack || e.state.Phase == takenBack}
}

func (e *entry) close() {
	for _, fd := range []*int{&e.fd, &e.slots} {
		if *fd >= 0 {
			unix.Close(*fd)
		}
		*fd = -1
	}
}

// enter writes a state that is in force from when it returns.
func (e *entry) enter(s state) error {
	if err := writeJSON(e.fd, "state", s); err != nil {
		return fmt.Errorf("cannot write %s/%d/state: %w", e.h.path, e.n, err)
	}
	e.state = s
	return nil
}

// writeJournal writes the journal and makes sure that the entry itself is on the disk.
func (e *entry) writeJournal() error {
	if err := writeFile(e.fd, "journal", e.journal.writeTo); err != nil {
		return fmt.Errorf("cannot write %s/%d/journal: %w", e.h.path, e.n, err)
	}
	return syncFile(e.h.fd)
}

// A leaf is where a file was put: its directory's inode, and its name there. (Not its path, which may be a megabyte.)
type leaf struct {
	dir  uint64
	name string
}

// tree reads what was put into the directories of ops, by the ops' numbers.
func (e *entry) tree() (map[int]map[leaf]ident, error) {
	all := map[int]map[leaf]ident{}
	f, err := openEntryFile(e.fd, "tree")
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 256<<10)
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF && line == "" {
			return all, nil
		}
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 7)
		if err != nil || len(f) != 7 {
			return nil, errJournal
		}
		var v [6]int64
		for i := range v {
			if v[i], err = strconv.ParseInt(f[i], 10, 64); err != nil {
				return nil, errJournal
			}
		}
		name, err := strconv.Unquote(f[6])
		if err != nil {
			return nil, errJournal
		}
		n := int(v[0])
		if all[n] == nil {
			all[n] = map[leaf]ident{}
		}
		all[n][leaf{uint64(v[1]), name}] = ident{Ino: uint64(v[2]), Mode: uint32(v[3]), Size: v[4], MTime: v[5]}
	}
}

const historyTrash = ".trash-"

// remove takes an entry out of the history at once, and then removes what it held.
func (h *History) remove(n int) error {
	aside := historyTrash + strconv.Itoa(n)
	if err := moveAt(h.fd, strconv.Itoa(n), h.fd, aside); err != nil {
		return fmt.Errorf("cannot remove %s/%d: %w", h.path, n, err)
	}
	return h.throwAway(aside)
}

func (h *History) throwAway(name string) error {
	err := error(nil)
	if h.Remove != nil {
		err = h.Remove(h.fd, name)
	} else {
		err = removeTree(h.fd, name)
	}
	if err != nil {
		return fmt.Errorf("cannot remove all of %s/%s: %w", h.path, name, err)
	}
	return nil
}

// sweep removes what never was begun, and what a killed remove left.
func (h *History) sweep() {
	names, err := readNames(h.fd, make([]byte, 8<<10))
	if err == nil {
		_, err = unix.Seek(h.fd, 0, 0)
	}
	if err != nil {
		return
	}
	for _, name := range names {
		if strings.HasPrefix(name, historyTrash) {
			h.throwAway(name)
		}
	}
	for _, n := range h.numbers() {
		fd, err := h.dir(n)
		if err != nil {
			continue
		}
		s, err := readState(fd)
		e := entry{fd: fd}
		if err == nil && (s.Phase == "" || s.Phase == takenBack && !s.Foreign && !e.hasBox()) {
			h.remove(n)
		}
		unix.Close(fd)
	}
}
