package overlay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// DiscardOptions say which changes to drop from a box, so that the home shows through there.
type DiscardOptions struct {
	Options
	Upper  int // descriptor of the box's upper directory
	Home   int // and of the home (O_PATH will do)
	Select Selection
	// Trash is a directory on the file system of Upper, open, in which what was dropped waits to be removed. What cannot
	// be moved there, as a directory of a subordinate id, is removed where it is.
	Trash int
	// Remove removes name, with all below, from a directory: as box.RemoveTree.
	Remove func(dirfd int, name string) error
	// Alone is false where the box lies on others: what it hides there is not known from the home.
	Alone bool
}

// Discarded is what a discard dropped.
type Discarded struct {
	Dropped []Made
	Refused []Refusal
	Unmet   []string
}

// PlanDiscard says what a discard would drop, and changes nothing.
func PlanDiscard(ctx context.Context, opts DiscardOptions) (d Discarded, err error) {
	top := ""
	without := ""
	err = Walk(ctx, opts.Upper, opts.Home, opts.Options, func(c Change) error {
		if !opts.Select.Has(c.Path) {
			if opts.Select.leadsTo(c.Path) && c.Kind == Deleted {
				for q := range opts.Select.named {
					if q != c.Path && under(q, c.Path) {
						opts.Select.meet(q)
						d.Refused = append(d.Refused, Refusal{q, Deleted, WithoutAbove, "is part of what was deleted with " + strconv.Quote(c.Path) + ": name that"})
					}
				}
			}
			return nil
		}
		opts.Select.meet(c.Path)
		if without != "" && under(c.Path, without) {
			return nil
		}
		if top != "" && under(c.Path, top) {
			d.Dropped[len(d.Dropped)-1].Paths++
			return nil
		}
		top = ""
		if c.Kind == Added || c.Kind == Retyped {
			top = c.Path
		}
		d.Dropped = append(d.Dropped, Made{c.Path, c.Kind, c.Flags, 1})
		return nil
	})
	var unreadable *UnreadableError
	if errors.As(err, &unreadable) {
		err = nil // it is dropped all the same
	}
	d.Unmet = opts.Select.unmet()
	return d, err
}

// Discard drops the changes that are selected, all others stay. Stopped midway, it has dropped some of them, each whole:
// it can be done again.
func Discard(ctx context.Context, opts DiscardOptions) (Discarded, error) {
	d, err := PlanDiscard(ctx, opts)
	if err != nil {
		return d, err
	}
	x := discarder{DiscardOptions: opts, dirs: newOpener(opts.Upper)}
	defer x.dirs.close()
	if err := x.sweep(); err != nil {
		return d, fmt.Errorf("cannot remove what was dropped before: %w", err)
	}
	if opts.Select.All() || opts.Select.Named(".") {
		return d, x.all()
	}
	for p := range opts.Select.named {
		if containsPath(d.Unmet, p) || refusedAt(d.Refused, p) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return d, err
		}
		if err := x.drop(p); err != nil {
			return d, fmt.Errorf("cannot drop %q from the box: %w", p, err)
		}
	}
	if opts.Alone {
		for p := range opts.Select.named {
			x.prune(parentOf(p))
		}
	}
	return d, nil
}

func containsPath(list []string, p string) bool {
	for _, q := range list {
		if q == p {
			return true
		}
	}
	return false
}

func refusedAt(list []Refusal, p string) bool {
	for _, r := range list {
		if r.Path == p {
			return true
		}
	}
	return false
}

type discarder struct {
	DiscardOptions
	dirs  opener
	trash int
}

// sweep removes what a discard left that was stopped.
func (x *discarder) sweep() error {
	fd, err := unix.Openat(x.Trash, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := x.relock(); err != nil {
		return err
	}
	names, err := readNames(fd, make([]byte, 8<<10))
	for _, name := range names {
		if err == nil {
			err = x.Remove(x.Trash, name)
		}
	}
	return err
}

// unlocked is the function of that name, but whoever discards next knows of it.
func (x *discarder) unlocked(rel string, dir int, do func() error) error {
	mode, locked, err := isLocked(dir)
	if err != nil {
		return err
	}
	if !locked {
		return do()
	}
	fd, err := createAt(x.Trash, unlockedNote)
	if err != nil {
		return err
	}
	err = writeAll(fd, strconv.AppendQuote(strconv.AppendUint(nil, uint64(mode), 8), rel), 0)
	unix.Close(fd)
	if err != nil {
		return err
	}
	if err := unlocked(dir, do); err != nil {
		return err
	}
	return unlinkAt(x.Trash, unlockedNote, 0)
}

// unlockedNote is a file in the trash: the mode that a directory has, but for the moment, and its path.
const unlockedNote = "unlocked"

// relock gives the directory of a note that was left its mode.
func (x *discarder) relock() error {
	f, err := openEntryFile(x.Trash, unlockedNote)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	digits, quoted, ok := strings.Cut(string(text), `"`)
	mode, err := strconv.ParseUint(digits, 8, 12)
	rel, err2 := strconv.Unquote(`"` + quoted)
	if !ok || err != nil || err2 != nil {
		return nil // it was not written to its end, and so nothing was done
	}
	fd, err := openBeneath(x.Upper, rel, unix.O_PATH)
	if err != nil {
		return nil // it was dropped
	}
	defer unix.Close(fd)
	return chmodFD(fd, uint32(mode))
}

// all empties the upper directory, and makes it as it was made for the first run.
func (x *discarder) all() error {
	top, err := unix.Openat(x.Upper, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(top)
	names, err := readNames(top, make([]byte, chunk))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := x.throw(top, name); err != nil {
			return fmt.Errorf("cannot drop %q from the box: %w", name, err)
		}
	}
	if x.Backend == Fuse {
		if err := x.clearOpaque(top); err != nil {
			return err
		}
	}
	var home, upper unix.Stat_t
	if err := errors.Join(unix.Fstat(x.Home, &home), unix.Fstat(top, &upper)); err != nil {
		return err
	}
	list, err := readXattrs(xfile{fd: top})
	for _, a := range list {
		if err == nil {
			err = removeXattr(xfile{fd: top}, a.Name)
		}
	}
	if err == nil && (home.Mode^upper.Mode)&0o777 != 0 {
		err = chmodFD(top, upper.Mode&^0o777|home.Mode&0o777)
	}
	return err
}

// throw takes a name out of the upper directory at once, and then removes what it was.
func (x *discarder) throw(dir int, name string) error {
	x.trash++
	aside := strconv.Itoa(x.trash)
	err := moveOut(dir, name, x.Trash, aside)
	switch err {
	case nil:
		return x.Remove(x.Trash, aside)
	case unix.ENOENT:
		return nil
	case unix.EACCES, unix.EPERM: // a directory of a subordinate id
	case unix.EXDEV, unix.EEXIST:
	default:
		return err
	}
	return x.Remove(dir, name)
}

// drop drops all that the box has at p.
func (x *discarder) drop(p string) error {
	if err := x.openUp(p); err != nil {
		return err
	}
	dir, err := x.dirs.dir(parentOf(p))
	if err == unix.ENOENT {
		return nil
	} else if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return err
	}
	name := path.Base(p)
	err = x.unlocked(parentOf(p), dir, func() error {
		err := x.throw(dir, name)
		if err == nil && x.Backend == Fuse {
			err = x.throw(dir, filePrefix+name)
		}
		return err
	})
	return errors.Join(err, x.keepTime(dir, &st))
}

// keepTime gives a directory of the box the time back that the program left.
func (x *discarder) keepTime(dir int, st *unix.Stat_t) error {
	err := timesFD(dir, omitTime, st.Mtim)
	if err == unix.EPERM || err == unix.EACCES {
		return nil // of a subordinate id
	}
	return err
}

// openUp makes the directories above p, as far as they are opaque, such that the home's show through; with marks for all
// that they hid, but for what leads to p. Each step but the last changes nothing that is to be seen.
//
//	opaque d/ ◄── whiteouts of what it hides; d/sub opaque ──► d/ ──► the same with d/sub, if p is in it
func (x *discarder) openUp(p string) error {
	for i := 0; i <= len(p); i++ {
		if i > 0 && i < len(p) && p[i] != '/' {
			continue
		}
		dir, next := ".", p
		if i > 0 {
			if i == len(p) {
				return nil
			}
			dir, next = p[:i], p[i+1:]
		}
		for j := range len(next) {
			if next[j] == '/' {
				next = next[:j]
				break
			}
		}
		if dir == "." && x.Backend != Fuse {
			continue
		}
		if err := x.openDir(dir, next); err != nil {
			return err
		}
	}
	return nil
}

func (x *discarder) openDir(dir, next string) error {
	upper, err := openBeneath(x.Upper, dir, unix.O_RDONLY)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil // and so p is not there
	} else if err != nil {
		return err
	}
	defer unix.Close(upper)
	names, err := readNames(upper, make([]byte, chunk))
	if err != nil {
		return err
	}
	files, gone, marked := x.Backend.sift(names)
	opaque, err := isOpaque(upper, x.Backend)
	if err != nil {
		return err
	}
	if !opaque && !marked {
		return nil
	}
	if !x.Alone {
		return errors.New("the directory " + strconv.Quote(dir) + " was made anew, and the box lies on another: drop that directory as a whole")
	}
	var st unix.Stat_t
	if err := unix.Fstat(upper, &st); err != nil {
		return err
	}
	err = x.unlocked(dir, upper, func() error { return x.mergeDir(upper, dir, next, files, gone) })
	return errors.Join(err, x.keepTime(upper, &st))
}

// mergeDir makes the opaque directory upper one that is merged with the home's.
func (x *discarder) mergeDir(upper int, dir, next string, files, gone []string) error {
	home, err := openBeneath(x.Home, dir, unix.O_RDONLY)
	switch err {
	case nil:
		defer unix.Close(home)
		inHome, err := readNames(home, make([]byte, chunk))
		if err != nil {
			return err
		}
		there := map[string]bool{}
		for _, name := range files {
			there[name] = true
		}
		for _, name := range gone {
			there[name] = true
		}
		for _, name := range inHome {
			if err := x.hide(upper, home, name, there[name], name == next); err != nil {
				return err
			}
		}
	case unix.ENOENT, unix.ENOTDIR:
	default:
		return err
	}
	return x.clearOpaque(upper)
}

// hide makes name, which the home has, look in the upper directory as it does now, when that is opaque no more.
func (x *discarder) hide(upper, home int, name string, there, keep bool) error {
	if !there {
		if keep {
			return nil // it is to be seen
		}
		return x.whiteout(upper, name)
	}
	a, err := attrAt(upper, name)
	if err != nil || a.Type != TypeDir {
		return err
	}
	if b, err := attrAt(home, name); err != nil || b.Type != TypeDir {
		return err // nothing to merge with
	}
	fd, err := openDir(upper, name, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	return errors.Join(unlocked(fd, func() error { return x.setOpaque(fd) }), x.keepTime(fd, &st))
}

func (x *discarder) whiteout(dir int, name string) error {
	err := mknodAt(dir, name, unix.S_IFCHR)
	if err == nil || err == unix.EEXIST || x.Backend != Fuse {
		return err
	}
	fd, err := createAt(dir, filePrefix+name)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func (x *discarder) setOpaque(fd int) error {
	var err error
	for _, name := range x.Backend.opaqueAttrs() {
		if err = setXattr(xfile{fd: fd}, name, []byte("y")); err == nil {
			return nil
		}
	}
	if x.Backend == Fuse {
		made, err := createAt(fd, fileOpaque)
		if err == nil {
			unix.Close(made)
		}
		return err
	}
	return err
}

// clearOpaque is the step that is seen.
func (x *discarder) clearOpaque(fd int) error {
	for _, name := range x.Backend.opaqueAttrs() {
		if err := removeXattr(xfile{fd: fd}, name); err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
			return err
		}
	}
	if x.Backend != Fuse {
		return nil
	}
	if err := unlinkAt(fd, fileOpaque, 0); err != unix.ENOENT {
		return err
	}
	return nil
}

// prune removes directories on the way that hold nothing any more and are like the home's.
func (x *discarder) prune(dir string) {
	for ; dir != "."; dir = parentOf(dir) {
		parent, err := x.dirs.dir(parentOf(dir))
		if err != nil || !spent(parent, x.Home, dir, x.Options) {
			return
		}
		var st unix.Stat_t
		if unix.Fstat(parent, &st) != nil || unlocked(parent, func() error { return unlinkAt(parent, path.Base(dir), unix.AT_REMOVEDIR) }) != nil {
			return
		}
		x.keepTime(parent, &st)
	}
}
