package box

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Box is the state of one sandbox. Who has a Box has its lock.
type Box struct {
	Meta Meta
	Cwd  string // for Prepare: the directory in which cove was started

	store      *Store
	name, path string
	fd, lockfd int
	held       []int // locks of the boxes that this one lies on, shared
	existed    bool
	prepared   bool
}

// A DamagedError says that a box holds changes, but not what must be known to use them. It does not unwrap: Err is
// often fs.ErrNotExist, of box.json, and would be taken for a box that does not exist.
type DamagedError struct {
	Name string
	Err  error
	box  *Box // for Remove
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("cannot use box %s: it holds changes, but its box.json is lost (%v), perhaps as the machine went down; look into %s, then remove the box", e.Name, e.Err, e.box.Upper())
}

func (b *Box) Name() string { return b.name }

// Existed tells whether the box was finished before it was taken.
func (b *Box) Existed() bool { return b.existed }

// LockFD is the descriptor that holds the lock. The lock lasts until the last copy of it is closed: a process that
// uses the layers keeps it open.
func (b *Box) LockFD() int { return b.lockfd }

func (b *Box) Path() string      { return b.path }
func (b *Box) Upper() string     { return b.path + "/upper" }
func (b *Box) Work() string      { return b.path + "/work" }
func (b *Box) Front() string     { return b.path + "/front" }
func (b *Box) RootUpper() string { return b.path + "/root-upper" }
func (b *Box) RootWork() string  { return b.path + "/root-work" }

// errNoHome is what is wrong with "{}" as box.json: Prepare always writes a home.
var errNoHome = errors.New("it does not say which home the changes belong to")

// load reads box.json. A box without it was never finished and is as good as new, unless it holds changes.
func (b *Box) load() error {
	err := b.ReadJSON("box.json", &b.Meta)
	if err == nil && b.Meta.Home == "" {
		err = errNoHome
	}
	if err == nil {
		b.Meta.Name = b.name // what the directory is called, who ever renamed it
		b.existed = true
		return nil
	}
	b.Meta = Meta{Name: b.name}
	if b.empty("upper") && b.empty("root-upper") {
		return nil
	}
	held := *b
	b.fd, b.lockfd = -1, -1 // they go with the error, for Remove
	return &DamagedError{b.name, err, &held}
}

// RootEmpty tells whether the box holds no changes of a copy-on-write root.
func (b *Box) RootEmpty() bool { return b.empty("root-upper") }

func (b *Box) empty(name string) bool { return empty(b.fd, name) }

// empty tells whether a directory of a box has nothing in it, or is not there.
func empty(dirfd int, name string) bool {
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err == unix.ENOENT
	}
	defer unix.Close(fd)
	names, err := readNames(fd)
	return err == nil && len(names) == 0
}

// CheckBackend refuses to go on with changes that another backend wrote: the kernel does not understand
// fuse-overlayfs's opaque directories, so that deleted files would come back.
func (b *Box) CheckBackend(backend string) error {
	if backend == "" || b.Meta.Backend == "" || b.Meta.Backend == backend || b.Meta.Base == "" && b.empty("upper") {
		return nil
	}
	return fmt.Errorf("cannot use box %s with the %s overlay: its changes were written by the %s overlay; use that again, or another box",
		b.name, backend, b.Meta.Backend)
}

// Prepare makes the layers for a run over home and writes box.json. A new upper gets the mode of home, which is
// what the program sees. Backend is kernel or fuse, or "" where the home is not overlaid. Masks are the paths relative to home that the run hides.
func (b *Box) Prepare(home, backend string, subids bool, masks ...string) error {
	if err := b.CheckBackend(backend); err != nil {
		return err
	}
	if list := b.Branches(); len(list) > 0 {
		return &BranchedError{b.name, list}
	}
	if b.existed && b.Meta.Home != "" && b.Meta.Home != home && (b.Meta.Base != "" || !b.empty("upper")) {
		return fmt.Errorf("cannot use box %s over %s: it holds changes to %s", b.name, home, b.Meta.Home)
	}
	if err := b.layers("upper", "work", home, !b.existed || b.Meta.Home != home); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(b.lockfd, &st); err != nil { // written by lock just now
		return fmt.Errorf("cannot look at the lock of box %s: %w", b.name, err)
	}
	m := &b.Meta
	if !b.existed {
		m.Created = time.Now()
	}
	m.Home, m.Subids = home, m.Subids || subids
	if backend != "" {
		m.Backend = backend
	}
	for _, p := range masks {
		if !slices.Contains(m.Masks, p) {
			m.Masks = append(m.Masks, p)
		}
	}
	if backend == "fuse" {
		// fuse-overlayfs sees the box: what is there can be kept from it, and what is not there it could make.
		if err := b.touch(BaseFile); err != nil {
			return err
		}
	}
	m.Tally = nil
	m.begin(Run{T0: time.Unix(st.Ctim.Unix()), BootID: bootID(), Cwd: b.Cwd})
	err := b.write("box.json", m, false)
	b.prepared = err == nil
	return err
}

// touch makes an empty file where there is none.
func (b *Box) touch(name string) error {
	fd, err := unix.Openat(b.fd, name, unix.O_RDONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot make %s/%s: %w", b.path, name, err)
	}
	return unix.Close(fd)
}

// PrepareRoot makes the layers of a copy-on-write root, before Prepare, which notes it in box.json, with what the run
// makes in it: Meta.Made.
func (b *Box) PrepareRoot(root string, made map[string]string) error {
	if b.Meta.Root != "" && b.Meta.Root != root && !b.empty("root-upper") {
		return fmt.Errorf("cannot use box %s over the root %s: it holds changes to %s", b.name, root, b.Meta.Root)
	}
	anew := !b.existed || b.Meta.Root != root
	b.Meta.Root = root
	if b.Meta.Made == nil {
		b.Meta.Made = made
	} else {
		maps.Copy(b.Meta.Made, made)
	}
	return b.layers("root-upper", "root-work", root, anew)
}

// layers makes upper, with the mode of like, and work anew. With anew an upper that holds nothing is made anew too:
// it has the mode of another directory, or none yet, where cove was killed before it gave it one.
func (b *Box) layers(upper, work, like string, anew bool) error {
	if anew {
		unix.Unlinkat(b.fd, upper, unix.AT_REMOVEDIR) // fails where it is not empty, or not there
	}
	err := unix.Mkdirat(b.fd, upper, 0o700)
	if err == nil {
		var st unix.Stat_t
		if err = unix.Stat(like, &st); err == nil && st.Mode&0o777 != 0o700 {
			err = unix.Fchmodat(b.fd, upper, st.Mode&0o777, 0) // we just made it: it is no link
		}
	} else if err == unix.EEXIST {
		err = nil
	}
	if err == nil {
		// The work directory holds nothing that is needed, but may hold the mark of a volatile mount that was
		// killed, with which the kernel refuses the next one (ovl_workdir_create, "incompat/volatile").
		err = RemoveTree(b.fd, work)
		var needs *NeedsMapError
		if errors.As(err, &needs) {
			err = &NeedsMapError{Dir: b.path, Name: work, UID: needs.UID}
		}
	}
	if err == nil {
		err = unix.Mkdirat(b.fd, work, 0o700)
	}
	if err != nil {
		return fmt.Errorf("cannot make the layers of box %s: %w", b.name, err)
	}
	return nil
}

// bootID names the time since the machine was started: proc(5), random/boot_id.
func bootID() string {
	fd, err := unix.Open("/proc/sys/kernel/random/boot_id", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	var buf [64]byte
	n, _ := unix.Read(fd, buf[:])
	return strings.TrimSpace(string(buf[:max(n, 0)]))
}

// WriteJSON writes a file of the box so that it is there, whole, from when WriteJSON returns, also if the machine
// goes down, and that until then the old one is.
func (b *Box) WriteJSON(name string, v any) error { return b.write(name, v, true) }

func (b *Box) write(name string, v any, durable bool) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write %s/%s: %w", b.path, name, err)
		}
	}()
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	// We have the lock: nobody else uses this name.
	aside := "." + name
	if err := unix.Unlinkat(b.fd, aside, 0); err != nil && err != unix.ENOENT {
		return err
	}
	fd, err := unix.Openat(b.fd, aside, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), aside)
	_, err = f.Write(append(text, '\n'))
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		unix.Unlinkat(b.fd, aside, 0)
		return err
	}
	if err := unix.Renameat(b.fd, aside, b.fd, name); err != nil {
		unix.Unlinkat(b.fd, aside, 0)
		return err
	}
	if durable {
		return unix.Fsync(b.fd)
	}
	return nil
}

// maxJSON is far above what cove writes: a plan with tens of thousands of ops.
const maxJSON = 64 << 20

// ReadJSON reads a file that WriteJSON wrote.
func (b *Box) ReadJSON(name string, v any) error { return readJSON(b.fd, name, v) }

func readJSON(dirfd int, name string, v any) error {
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxJSON))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("cannot understand %s: %w", name, err)
	}
	return nil
}

// Close ends the run, makes the box durable, and lets it go.
func (b *Box) Close() error {
	defer b.unlock()
	if !b.prepared || b.fd < 0 {
		return nil
	}
	now := time.Now()
	b.Meta.Runs[len(b.Meta.Runs)-1].End = &now
	err := b.WriteJSON("box.json", &b.Meta)
	if !b.existed && err == nil && b.store.fd >= 0 {
		err = unix.Fsync(b.store.fd)
	}
	return err
}

func (b *Box) unlock() {
	for _, fd := range b.held {
		unix.Close(fd)
	}
	b.held = nil
	if b.lockfd >= 0 {
		unix.Close(b.lockfd)
	}
	if b.fd >= 0 {
		unix.Close(b.fd)
	}
	b.fd, b.lockfd = -1, -1
}

// Remove removes the box and lets it go. It is first moved aside, so that a kill midway leaves no half box under
// its name; the next Remove or Create goes on with what is left. With a *NeedsMapError the box is gone, but its
// files are not.
func (b *Box) Remove() error {
	if b.fd < 0 {
		return fmt.Errorf("cannot remove box %s: it was let go (this is a bug in cove)", b.name)
	}
	defer b.unlock()
	if list := b.Branches(); len(list) > 0 {
		return &BranchedError{b.name, list}
	}
	// The lock of the directory itself tells sweep that somebody is at it.
	unix.Flock(b.fd, unix.LOCK_EX|unix.LOCK_NB)
	aside := trash + b.name + "-" + strconv.FormatUint(rand.Uint64(), 36)
	if err := unix.Renameat2(b.store.fd, b.name, b.store.fd, aside, unix.RENAME_NOREPLACE); err == unix.EINVAL {
		// The file system has no RENAME_NOREPLACE; the name is random enough.
		if err := unix.Renameat(b.store.fd, b.name, b.store.fd, aside); err != nil {
			return fmt.Errorf("cannot remove box %s: %w", b.name, err)
		}
	} else if err != nil {
		return fmt.Errorf("cannot remove box %s: %w", b.name, err)
	}
	err := RemoveTree(b.store.fd, aside)
	var needs *NeedsMapError
	if errors.As(err, &needs) {
		return &NeedsMapError{Dir: b.store.path, Name: aside, UID: needs.UID}
	}
	if err != nil {
		return fmt.Errorf("cannot remove all of box %s, the rest is in %s/%s: %w", b.name, b.store.path, aside, err)
	}
	b.store.sweep(sweepAll)
	return nil
}
