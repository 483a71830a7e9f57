package overlay

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// What the home has now is taken out of the box, so that it is no change any more, and what is changed there later
// shows through. It is kept in the entry, for undo. Where it cannot be taken out nothing is lost: what is equal is no
// change.
//
// Below an opaque directory nothing can be taken out but all of it: the home's would not show through.

// taken is the file names: what is to be taken out, in this order, each into box/ under its number.
type taken struct {
	Names [][]byte `json:"names"`
	Dirs  int      `json:"dirs"` // from this number on they are directories, taken if they hold nothing any more
	// In are the directories that they are in: taking out changes those.
	In []around `json:"in"`
}

type around struct {
	Dir   []byte `json:"dir"`
	MTime int64  `json:"mtime"` // ns
	Mode  uint32 `json:"mode"`
}

// keepDirs gives directories of a box the times back that they had, and the modes, where somebody was stopped who had
// unlocked them. It may fail: little depends on it.
func (t *taken) keepDirs(upper int) {
	for _, d := range t.In {
		fd, err := openBeneath(upper, string(d.Dir), unix.O_PATH)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil {
			if st.Mtim.Nano() != d.MTime {
				timesFD(fd, omitTime, unix.NsecToTimespec(d.MTime))
			}
			if st.Mode&0o7777 == d.Mode|0o700 && d.Mode&0o300 != 0o300 {
				chmodFD(fd, d.Mode)
			}
		}
		unix.Close(fd)
	}
}

func (t *taken) paths() (list []string) {
	for _, p := range t.Names {
		list = append(list, string(p))
	}
	return list
}

// taken reads it.
func (e *entry) taken() (t taken, err error) {
	f, err := openEntryFile(e.fd, "names")
	if err != nil {
		return t, err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return t, err
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&t); err != nil {
		return t, errJournal
	}
	return t, nil
}

// A taker finds out what can be taken out, in units that can be moved: files, whiteouts and whole directories, and at
// last directories that hold nothing any more.
type taker struct {
	ctx    context.Context
	e      *entry
	pl     *Plan
	opaque map[string]string // for a directory: the topmost opaque one that it is in, or is; "" for none
	units  map[string]bool
	list   []string
}

// findTaken writes the file names.
func (pl *Plan) findTaken(ctx context.Context, e *entry) error {
	t := taker{ctx: ctx, e: e, pl: pl, opaque: map[string]string{}, units: map[string]bool{}}
	if pl.opts.Keep {
		return writeJSON(e.fd, "names", taken{})
	}
	for _, o := range e.ops {
		if err := t.add(o.Path); err != nil {
			return err
		}
	}
	for _, a := range e.amends {
		if a.Kind != "" && !a.ID.isDir() {
			if err := t.add(a.Path); err != nil {
				return err
			}
		}
	}
	out := taken{Dirs: len(t.list)}
	if err := t.parents(); err != nil {
		return err
	}
	known := map[string]bool{}
	for _, p := range t.list {
		out.Names = append(out.Names, []byte(p))
		dir := parentOf(p)
		if known[dir] {
			continue
		}
		known[dir] = true
		var st unix.Stat_t
		if err := statDir(pl.opts.Upper, dir, &st); err != nil {
			return err
		}
		out.In = append(out.In, around{[]byte(dir), st.Mtim.Nano(), st.Mode & 0o7777})
	}
	return writeJSON(e.fd, "names", out)
}

// takeOut takes out what was not refused.
func (e *entry) takeOut(upper, home int, opts Options) error {
	t, err := e.taken()
	if err != nil || len(t.Names) == 0 {
		return err
	}
	if err := mkdirAt(e.fd, "box"); err != nil && err != unix.EEXIST {
		return err
	}
	box, err := openDir(e.fd, "box", unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(box)
	var refused []string
	for _, i := range e.state.RefusedOps {
		refused = append(refused, e.ops[i].Path)
	}
	for _, i := range e.state.RefusedAmends {
		refused = append(refused, e.amends[i].Path)
	}
	stay := newPathSet(refused)
	dirs := newOpener(upper)
	defer dirs.close()
	defer t.keepDirs(upper)
	for n, p := range t.paths() {
		if stay.below(p) >= 0 || n < t.Dirs && stay.above(p) >= 0 {
			continue
		}
		parent, err := dirs.dir(parentOf(p))
		if err != nil || n >= t.Dirs && !spent(parent, home, p, opts) {
			continue
		}
		err = unlocked(parent, func() error {
			err := moveOut(parent, path.Base(p), box, slotName(n, false))
			if opts.Backend == Fuse && (err == nil || err == unix.ENOENT) {
				err = moveOut(parent, filePrefix+path.Base(p), box, slotName(n, true))
			}
			return err
		})
		switch err {
		case nil, unix.ENOENT, unix.EEXIST:
		case unix.EACCES, unix.EPERM, unix.EXDEV: // a directory of a subordinate id stays where it is
		default:
			return err
		}
	}
	return nil
}

// moveOut moves what may be a directory that its owner may not write to, which moving it elsewhere takes.
func moveOut(dir int, name string, to int, as string) error {
	err := moveAt(dir, name, to, as)
	if err != unix.EACCES {
		return err
	}
	fd, err2 := openDir(dir, name, unix.O_PATH)
	if err2 != nil {
		return err
	}
	defer unix.Close(fd)
	return unlocked(fd, func() error { return moveAt(dir, name, to, as) })
}

func slotName(n int, mark bool) string {
	if mark {
		return strconv.Itoa(n) + "m"
	}
	return strconv.Itoa(n)
}

func (t *taker) unit(p string) {
	if !t.units[p] {
		t.units[p] = true
		t.list = append(t.list, p)
	}
}

// add takes the change at p, with all below it.
func (t *taker) add(p string) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	top, err := t.opaqueAbove(parentOf(p))
	if err != nil {
		return err
	}
	if top != "" {
		if _, some := t.pl.leaves(top); !some && t.pl.Unreadable == nil && top != "." {
			t.unit(top)
		}
		return nil
	}
	return t.addBelow(p)
}

func (t *taker) addBelow(p string) error {
	first, some := t.pl.leaves(p)
	switch {
	case !some:
		t.unit(p)
		return nil
	case first == p:
		return nil
	}
	// Something below stays.
	fd, err := openBeneath(t.pl.opts.Upper, p, unix.O_RDONLY)
	if err != nil {
		return nil // it is no directory, or cannot be read: it stays
	}
	names, err := readNames(fd, make([]byte, 8<<10))
	opaque := false
	if err == nil {
		names, _, opaque = t.pl.opts.Backend.sift(names)
		if !opaque {
			opaque, err = isOpaque(fd, t.pl.opts.Backend)
		}
	}
	unix.Close(fd)
	if err != nil || opaque {
		return nil
	}
	for _, name := range names {
		if err := t.addBelow(p + "/" + name); err != nil {
			return err
		}
	}
	return nil
}

// opaqueAbove finds the topmost opaque directory of dir and those above it.
func (t *taker) opaqueAbove(dir string) (string, error) {
	if dir == "." && t.pl.opts.Backend != Fuse {
		return "", nil // the kernel does not ask its topmost directory
	}
	if top, ok := t.opaque[dir]; ok {
		return top, nil
	}
	top := ""
	if dir != "." {
		var err error
		if top, err = t.opaqueAbove(parentOf(dir)); err != nil {
			return "", err
		}
	}
	if top == "" {
		fd, err := openBeneath(t.pl.opts.Upper, dir, unix.O_RDONLY)
		if err != nil {
			return "", err
		}
		opaque, err := isOpaque(fd, t.pl.opts.Backend)
		if err == nil && !opaque && t.pl.opts.Backend == Fuse {
			var st unix.Stat_t
			opaque = unix.Fstatat(fd, fileOpaque, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
		}
		unix.Close(fd)
		if err != nil {
			return "", err
		}
		if opaque {
			top = dir
		}
	}
	t.opaque[dir] = top
	return top, nil
}

// parents adds the directories on the way, the innermost first: they are taken, too, where nothing is left in them and
// they are like the home's.
func (t *taker) parents() error {
	var dirs []string
	known := map[string]bool{}
	for _, p := range t.list {
		for d := parentOf(p); d != "." && !known[d]; d = parentOf(d) {
			known[d] = true
			dirs = append(dirs, d)
		}
	}
	for _, a := range t.e.amends {
		if a.Kind != "" && a.ID.isDir() && a.Path != "." && !known[a.Path] {
			known[a.Path] = true
			dirs = append(dirs, a.Path)
		}
	}
	slices.SortFunc(dirs, func(a, b string) int { return -inWalkOrder(a, b) })
	for _, d := range dirs {
		top, err := t.opaqueAbove(parentOf(d))
		if err != nil {
			return err
		}
		if top == "" {
			t.unit(d)
		}
	}
	return nil
}

// spent tells whether the directory p, which is in parent, holds nothing and is like the home's.
func spent(parent, homefd int, p string, opts Options) bool {
	upper, err := openDir(parent, path.Base(p), unix.O_RDONLY)
	if err != nil {
		return false
	}
	defer unix.Close(upper)
	names, err := readNames(upper, make([]byte, 8<<10))
	if err != nil || len(names) > 0 {
		return false
	}
	if opaque, err := isOpaque(upper, opts.Backend); err != nil || opaque {
		return false
	}
	home, err := openBeneath(homefd, p, unix.O_RDONLY)
	if err != nil {
		return false
	}
	defer unix.Close(home)
	var u, h unix.Stat_t
	if unix.Fstat(upper, &u) != nil || unix.Fstat(home, &h) != nil {
		return false
	}
	a, b := attrOf(&u), attrOf(&h)
	flags := attrFlags(&a, &b, opts.Backend)
	front := newMasks(opts.Hidden, opts.Mounts).frontDir([]byte(p))
	if front {
		flags &^= DiffOwner
	}
	x, err := xattrFlags(xfile{fd: upper}, xfile{fd: home}, front)
	return err == nil && flags|x == 0
}
