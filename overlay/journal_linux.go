package overlay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The journal of an apply says all that it does, before it does any of it. It is never changed; what is done can be
// seen by who is where, so that whoever finds a journal open can go on in either direction, again and again.
//
//	put   slot: the new file; home: nothing     ──►  slot: nothing; home: the new file
//	swap  slot: the new file; home: the old     ──►  slot: the old; home: the new
//	drop  slot: nothing;      home: the old     ──►  slot: the old; home: nothing
//
// Each arrow is one renameat2(2). All that comes out of the home stays in the slots, with its inode: undo is the way
// back.
type journal struct {
	header
	ops    []*op
	amends []*amend
}

type header struct {
	Version int       `json:"cove_journal"`
	Home    string    `json:"home"`
	Box     string    `json:"box,omitempty"`
	BoxID   string    `json:"box_id,omitempty"` // tells it from another one of that name
	When    time.Time `json:"when"`
	Ops     int       `json:"ops"`
	Amends  int       `json:"amends"`
	Paths   int       `json:"paths"` // for people
	Token   string    `json:"token"` // in the names of files beside others
}

const journalVersion = 1

type verb string

const (
	put  verb = "put"
	swap verb = "swap"
	drop verb = "drop"
)

// An op moves one file, or one tree.
type op struct {
	N    int    `json:"n"`
	Do   verb   `json:"do"`
	Path string `json:"-"`
	Kind Kind   `json:"kind"`
	Old  ident  `json:"old"`
	New  ident  `json:"new"`
	// Since is when what is taken away, a directory, was last seen to be as the program found it; 0: do not look.
	Since int64 `json:"since,omitempty"`
	// Near: the home has another file system there, or one that cannot exchange. The new file is copied beside the
	// place, and the old one into the slot before that.
	Near bool `json:"near,omitempty"`

	RawPath []byte `json:"path"` // base64: any bytes

	flags Flags
	paths int
}

// An amend changes attributes in place: of directories, and of files whose content stays and that have one name.
type amend struct {
	Path string `json:"-"`
	Kind Kind   `json:"kind,omitempty"` // "" where it is no change of its own: a directory in which something changes
	ID   ident  `json:"id"`
	Set  what   `json:"set"`
	Old  attrs  `json:"old"`
	New  attrs  `json:"new"`

	RawPath []byte `json:"path"`

	flags Flags
}

// what is which attributes to set.
type what uint8

const (
	setMode what = 1 << iota
	setGroup
	setTime
	setXattrs
)

// attrs are attributes of a file or a directory.
type attrs struct {
	Mode   uint32  `json:"mode"`
	GID    uint32  `json:"gid"`
	MTime  int64   `json:"mtime"` // ns; noTime: leave it
	Xattrs []xattr `json:"xattrs,omitempty"`
}

const noTime = math.MinInt64

// A phase is how far an entry has come. Between the first two nothing of the home is touched.
//
//	(none) ──► applying ──► applied ──► taking back ──► taken back
//	              └───────────────────────┘
type phase string

const (
	applying   phase = "applying"
	applied    phase = "applied"
	takingBack phase = "taking back"
	takenBack  phase = "taken back"
)

// open tells whether something was begun and not finished.
func (p phase) open() bool { return p == applying || p == takingBack }

// state is the file of that name.
type state struct {
	Phase phase `json:"phase"`
	Force bool  `json:"force,omitempty"`
	// What was refused is not there to be taken back: numbers of ops, and of amends.
	RefusedOps    []int `json:"refused_ops,omitempty"`
	RefusedAmends []int `json:"refused_amends,omitempty"`
	// Times are the times of modification of what was amended, by the amends' numbers, when all was applied. Where
	// that is so still, nobody else has been there, and the time from before can be put back.
	Times map[int]int64 `json:"times,omitempty"`
	// Leave are the numbers of the others, when it is taken back.
	Leave []int `json:"leave,omitempty"`
	// Midway tells that it is taken back from where it was stopped.
	Midway bool `json:"midway,omitempty"`
	// Foreign tells that the slots hold what was not there when it was applied.
	Foreign bool `json:"foreign,omitempty"`
}

var errJournal = errors.New("the journal is damaged")

// writeTo writes the journal: a line each.
func (j *journal) writeTo(w io.Writer) error {
	j.Version, j.Ops, j.Amends = journalVersion, len(j.ops), len(j.amends)
	b := bufio.NewWriterSize(w, 256<<10)
	e := json.NewEncoder(b)
	if err := e.Encode(j.header); err != nil {
		return err
	}
	for _, o := range j.ops {
		o.RawPath = []byte(o.Path)
		if err := e.Encode(o); err != nil {
			return err
		}
	}
	for _, a := range j.amends {
		a.RawPath = []byte(a.Path)
		if err := e.Encode(a); err != nil {
			return err
		}
	}
	return b.Flush()
}

func readJournal(r io.Reader) (*journal, error) {
	d := json.NewDecoder(bufio.NewReaderSize(r, 256<<10))
	j := new(journal)
	if err := d.Decode(&j.header); err != nil {
		return nil, fmt.Errorf("%w: %w", errJournal, err)
	}
	if j.Version != journalVersion {
		return nil, fmt.Errorf("%w: it is of version %d, and this cove knows %d", errJournal, j.Version, journalVersion)
	}
	for range j.Ops {
		o := new(op)
		if err := d.Decode(o); err != nil {
			return nil, fmt.Errorf("%w: %w", errJournal, err)
		}
		o.Path = string(o.RawPath)
		j.ops = append(j.ops, o)
	}
	for range j.Amends {
		a := new(amend)
		if err := d.Decode(a); err != nil {
			return nil, fmt.Errorf("%w: %w", errJournal, err)
		}
		a.Path = string(a.RawPath)
		j.amends = append(j.amends, a)
	}
	return j, nil
}

// A fdWriter writes a file from its beginning.
type fdWriter struct {
	fd  int
	off int64
}

func (w *fdWriter) Write(b []byte) (int, error) {
	if err := writeAll(w.fd, b, w.off); err != nil {
		return 0, err
	}
	w.off += int64(len(b))
	return len(b), nil
}

// writeFile writes a file of an entry so that it is there, whole, from when it returns, also if the machine goes down;
// until then the old one is.
func writeFile(dirfd int, name string, fill func(io.Writer) error) (err error) {
	aside := "." + name
	if err := unlinkAt(dirfd, aside, 0); err != nil && err != unix.ENOENT {
		return err
	}
	fd, err := createAt(dirfd, aside)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := fill(&fdWriter{fd: fd}); err != nil {
		return err
	}
	if err := syncFile(fd); err != nil {
		return err
	}
	if err := renameOver(dirfd, aside, dirfd, name); err != nil {
		return err
	}
	return syncFile(dirfd)
}

func writeJSON(dirfd int, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFile(dirfd, name, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// openEntryFile opens a file of an entry for reading.
func openEntryFile(dirfd int, name string) (*os.File, error) {
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

func readState(dirfd int) (s state, err error) {
	f, err := openEntryFile(dirfd, "state")
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	} else if err != nil {
		return s, err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(text)).Decode(&s)
	}
	if err != nil {
		return s, fmt.Errorf("%w: %w", errJournal, err)
	}
	return s, nil
}
