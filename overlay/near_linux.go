package overlay

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Where the home has another file system than the slots, nothing can be moved between the two, and where a file system
// does not know RENAME_EXCHANGE, not atomically. There, what comes out of the home is copied into a slot first, what
// goes in is copied beside its place, and both are on the disk before a rename within that directory does the rest:
//
//	put   slot ══► beside, then beside ──► place
//	swap  place ══► old slot, slot ══► beside, then beside ◄─► place, then beside is removed
//	drop  place ══► old slot, then place ──► beside, and that is removed
//
// Which inode is ours is noted before the rename, so that it can be seen what was done. Taken back, files are the same
// but for their inodes.
type nearby struct {
	put  uint64 // the inode that was put in place by forward; for drop: that was saved
	back uint64 // and by back
}

// findNear finds the ops of an entry that must be done so.
func findNear(e *entry, home int) error {
	var random [16]byte
	if _, err := unix.Getrandom(random[:], 0); err != nil {
		return err
	}
	e.Token = fmt.Sprintf("%x", random)
	slots, err := mountOf(e.slots)
	if err != nil {
		return err
	}
	exchanges := unknown
	dirs := newOpener(home)
	defer dirs.close()
	last, near := "", false
	for _, o := range e.ops {
		if d := parentOf(o.Path); d != last {
			fd, err := dirs.dir(d)
			if err != nil {
				continue // forward will say so
			}
			m, err := mountOf(fd)
			if err != nil {
				return err
			}
			last, near = d, m != slots
		}
		if o.Do == swap && !near && exchanges == unknown {
			if exchanges, err = canExchange(e.fd); err != nil {
				return err
			}
		}
		o.Near = near || o.Do == swap && exchanges == no
	}
	return nil
}

type answer uint8

const (
	unknown answer = iota
	yes
	no
)

// A mountID tells whether files can be moved between two directories: they are on one file system, and were reached by
// the same mount of it (rename(2), EXDEV).
type mountID struct {
	major, minor uint32
	mount        uint64
}

func mountOf(fd int) (mountID, error) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE|unix.STATX_MNT_ID, &st)
	m := mountID{major: st.Dev_major, minor: st.Dev_minor}
	if st.Mask&unix.STATX_MNT_ID != 0 {
		m.mount = st.Mnt_id
	}
	return m, err
}

// canExchange tries it.
func canExchange(dir int) (answer, error) {
	for _, name := range []string{".exchange1", ".exchange2"} {
		fd, err := createAt(dir, name)
		if err != nil {
			return unknown, err
		}
		unix.Close(fd)
		defer unlinkAt(dir, name, 0)
	}
	switch err := exchangeAt(dir, ".exchange1", dir, ".exchange2"); err {
	case nil:
		return yes, nil
	case unix.EINVAL, unix.ENOSYS:
		return no, nil
	default:
		return unknown, err
	}
}

// A spot is where a near op works.
type spot struct {
	o           *op
	dir, slots  int
	name        string // in dir
	slot, old   string // in slots: what is to go in, and what was there
	aside, away string // in dir, while it is worked on: what is to go in or has come out, and what is on its way out
	there       ident
	nearby
}

func (p *performer) spot(o *op) (s spot, err error) {
	if p.near == nil {
		if p.near, err = p.e.readNear(); err != nil {
			return s, err
		}
	}
	s.o = o
	if s.dir, s.name, s.slots, s.slot, err = p.place(o); err != nil {
		return s, err
	}
	s.old = s.slot + ".old"
	s.aside = fmt.Sprintf(".cove-%s-%d", p.e.Token, o.N)
	s.away = s.aside + "-old"
	s.nearby = p.near[o.N]
	if s.there, err = identAt(s.dir, s.name); err != nil {
		return s, orRefusal(err, "read")
	}
	away, err := identAt(s.dir, s.away)
	if err != nil {
		return s, err
	}
	if !away.none() && s.there.none() { // stopped between two renames
		if err := moveAt(s.dir, s.away, s.dir, s.name); err != nil {
			return s, err
		}
		s.there = away
	}
	return s, s.clean()
}

// clean removes what is not needed beside the place any more.
func (s *spot) clean() error {
	for _, name := range []string{s.aside, s.away} {
		if id, err := identAt(s.dir, name); err != nil {
			return err
		} else if id.none() {
			continue
		}
		if err := removeTree(s.dir, name); err != nil {
			return err
		}
	}
	return nil
}

// note writes which inode is ours.
func (p *performer) note(s *spot, n nearby) error {
	if err := calling("open near"); err != nil {
		return err
	}
	fd, err := unix.Openat(p.e.fd, "near", unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	line := fmt.Sprintf("%d %d %d\n", s.o.N, n.put, n.back)
	if err := writeAll(fd, []byte(line), st.Size); err != nil {
		return err
	}
	if err := errors.Join(syncFile(fd), syncFile(p.e.fd)); err != nil {
		return err
	}
	p.near[s.o.N], s.nearby = n, n
	return nil
}

func (e *entry) readNear() (map[int]nearby, error) {
	m := map[int]nearby{}
	f, err := openEntryFile(e.fd, "near")
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	for r := bufio.NewScanner(f); r.Scan(); {
		var number int
		var n nearby
		if _, err := fmt.Sscan(r.Text(), &number, &n.put, &n.back); err == nil { // the last line may be torn: nothing was done by it
			m[number] = n
		}
	}
	return m, nil
}

// copyOver copies a file or a tree, as it is, onto the disk.
func (p *performer) copyOver(srcDir int, src string, dstDir int, dst string) (id ident, err error) {
	if id, err := identAt(dstDir, dst); err != nil {
		return id, err
	} else if !id.none() {
		if err := removeTree(dstDir, dst); err != nil {
			return id, err
		}
	}
	var refused error
	s := stager{
		ctx: p.ctx, upper: srcDir, slots: dstDir, raw: true, sync: true,
		want: func(string) bool { return true }, bare: func(string) bool { return false }, noFifos: func(string) bool { return false },
		refuse: func(path string, why Cause, err error) {
			refused = &refusal{Forbidden, fmt.Sprintf("cannot be copied to where it can be taken back from: %v %v", why, err)}
		},
	}
	if id, err = s.one(src, dst); err == nil {
		err = refused
	}
	if err != nil {
		return id, err
	}
	// Names of links and special files are on the disk with their directory.
	fd, err := unix.Openat(dstDir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return id, err
	}
	defer unix.Close(fd)
	return id, syncFile(fd)
}

func (p *performer) forwardNear(o *op) error {
	s, err := p.spot(o)
	if err != nil {
		return err
	}
	if o.Do == drop {
		if s.there.none() {
			return nil
		}
	} else if s.put != 0 && s.there.Ino == s.put {
		return p.setDirMode(s.dir, s.name, o.New.with(s.put))
	}
	switch {
	case o.Do == put && !s.there.none():
		return conflict(madeMeanwhile)
	case o.Do == swap && s.there.none() && !p.force:
		return conflict(removedMeanwhile)
	case o.Do != put && !s.there.none() && !p.expected(o.Old, s.there) && (s.back == 0 || s.there.Ino != s.back):
		return conflict(changedAfter)
	}
	if !s.there.none() {
		if err := p.save(&s); err != nil {
			return err
		}
	}
	if o.Do == drop {
		if err := p.note(&s, nearby{put: s.there.Ino}); err != nil {
			return err
		}
		return p.takeAway(&s)
	}
	return p.bring(&s, s.slot, o.New, func(ino uint64) nearby { return nearby{put: ino} })
}

// save copies what is in place into the old slot.
func (p *performer) save(s *spot) error {
	if _, err := p.copyOver(s.dir, s.name, s.slots, s.old); err != nil {
		return err
	}
	now, err := identAt(s.dir, s.name)
	if err == nil && !now.untouched(s.there) {
		return conflict(changedAfter)
	}
	return err
}

// bring copies what is in a slot into place.
func (p *performer) bring(s *spot, slot string, id ident, ours func(ino uint64) nearby) (err error) {
	defer func() { err = errors.Join(err, s.clean()) }()
	made, err := p.copyOver(s.slots, slot, s.dir, s.aside)
	if err != nil {
		return orRefusal(err, "made")
	}
	if err := p.note(s, ours(made.Ino)); err != nil {
		return err
	}
	if s.there.none() {
		err = moveAt(s.dir, s.aside, s.dir, s.name)
	} else {
		err = exchangeAt(s.dir, s.aside, s.dir, s.name)
		switch {
		case err == unix.EINVAL && !s.there.isDir() && !made.isDir():
			err = renameOver(s.dir, s.aside, s.dir, s.name)
		case err == unix.EINVAL:
			if err = moveAt(s.dir, s.name, s.dir, s.away); err == nil {
				err = moveAt(s.dir, s.aside, s.dir, s.name)
			}
		case err == nil:
			if out, err := identAt(s.dir, s.aside); err != nil || !out.is(s.there) {
				return errors.Join(err, exchangeAt(s.dir, s.aside, s.dir, s.name), conflict(changedAfter))
			}
		}
	}
	if err == unix.EEXIST {
		return conflict(madeMeanwhile)
	}
	if err != nil {
		return orRefusal(err, "replaced")
	}
	return p.setDirMode(s.dir, s.name, id.with(made.Ino))
}

// takeAway removes what is in place; it was copied.
func (p *performer) takeAway(s *spot) error {
	if err := moveAt(s.dir, s.name, s.dir, s.aside); err != nil {
		return orRefusal(err, "removed")
	}
	out, err := identAt(s.dir, s.aside)
	if err != nil {
		return err
	}
	why := ""
	if !out.is(s.there) {
		why = changedAfter
	} else if s.o.Do == drop && s.o.Since != 0 && s.o.Old.isDir() && !p.force {
		why = changedInside(p.ctx, s.dir, s.aside, s.o.Since)
	}
	if why != "" {
		if err := moveAt(s.dir, s.aside, s.dir, s.name); err != nil {
			return err
		}
		return conflict(why)
	}
	return s.clean()
}

func (p *performer) backNear(o *op) error {
	s, err := p.spot(o)
	if err != nil {
		return err
	}
	if s.put == 0 {
		return nil // it was not done
	}
	if s.back != 0 && s.there.Ino == s.back {
		return p.setDirMode(s.dir, s.name, o.Old.with(s.back))
	}
	ours := func(ino uint64) nearby { return nearby{put: s.put, back: ino} }
	switch o.Do {
	case put:
		if s.there.none() {
			return nil
		}
		if !p.asCopied(&s) {
			return conflict(changedSince)
		}
		return p.takeAway(&s)
	case swap:
		if s.there.Ino == o.Old.Ino && s.there.is(o.Old) {
			return nil // it was stopped before it was done
		}
		if s.there.none() && !p.force {
			return conflict(removedSince)
		}
		if !s.there.none() && !p.asCopied(&s) {
			return conflict(changedSince)
		}
		return p.bring(&s, s.old, o.Old, ours)
	}
	switch {
	case s.there.Ino == s.put:
		return nil
	case !s.there.none():
		return conflict(madeSince)
	}
	return p.bring(&s, s.old, o.Old, ours)
}

// asCopied tells whether what is in place is what was copied there from the slot, which is there still: with the same
// names, types, sizes and times.
func (p *performer) asCopied(s *spot) bool {
	like := func(a, b ident) bool { return a.with(0).is(b.with(0)) || a.isDir() && b.isDir() }
	slot, err := identAt(s.slots, s.slot)
	if err != nil || s.there.Ino != s.put || !like(s.there, slot) {
		return false
	}
	if !slot.isDir() {
		return true
	}
	known := map[string]ident{}
	look := func(root int, rel string, do func(string, ident) error) error {
		return visit(p.ctx, root, rel, func(_ uint64, below string, st *unix.Stat_t) error {
			id := identOf(st)
			if err := do(below, id); err != nil {
				return err
			}
			if id.isDir() && id.Mode&0o500 != 0o500 && os.Geteuid() != 0 {
				return errSkip
			}
			return nil
		})
	}
	err = look(p.e.slots, slotOf(s.o.N), func(below string, id ident) error {
		known[below] = id
		return nil
	})
	if err != nil {
		return false
	}
	err = look(p.home, s.o.Path, func(below string, id ident) error {
		if then, ok := known[below]; !ok || !like(id, then) {
			return errStop
		}
		delete(known, below)
		return nil
	})
	return err == nil && len(known) == 0
}

// with is the same with another inode.
func (id ident) with(ino uint64) ident {
	id.Ino = ino
	return id
}
