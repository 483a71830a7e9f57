package overlay

import (
	"bytes"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// unlockDirs lets the owner change what is in the directories in which something is to change: a program may have
// taken that right away after its change. Amend, which comes last, sets their modes in any case.
func (p *performer) unlockDirs() error {
	if os.Geteuid() == 0 {
		return nil
	}
	for _, a := range p.e.amends {
		if !a.ID.isDir() || a.Old.Mode&0o700 == 0o700 && a.New.Mode&0o700 == 0o700 {
			continue
		}
		fd, st, err := p.hold(a)
		if err != nil {
			continue // and its ops will say why they cannot be done
		}
		if st.Ino == a.ID.Ino && st.Mode&0o700 != 0o700 {
			err = chmodFD(fd, st.Mode&0o7777|0o700)
		}
		unix.Close(fd)
		if err != nil && orRefusal(err, "") == err {
			return err
		}
	}
	return nil
}

// hold opens what is to be amended, as O_PATH, without following a link.
func (p *performer) hold(a *amend) (fd int, st unix.Stat_t, err error) {
	if a.Path == "." {
		fd, err = unix.Openat(p.home, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	} else {
		var dir int
		if dir, err = p.dirs.dir(parentOf(a.Path)); err == nil {
			fd, err = unix.Openat(dir, path.Base(a.Path), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		}
	}
	if err != nil {
		return -1, st, err
	}
	if err = unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

// amend gives a directory or a file the attributes to. With check, it must have from, as far as they are to be changed.
// It returns the time of modification that it has then.
func (p *performer) amend(a *amend, from, to *attrs, check bool) (mtime int64, err error) {
	fd, st, err := p.hold(a)
	if err != nil {
		if a.Kind == "" {
			return noTime, nil // it was only on the way
		}
		return 0, orRefusal(err, "opened")
	}
	defer unix.Close(fd)
	if st.Ino != a.ID.Ino || (st.Mode^a.ID.Mode)&unix.S_IFMT != 0 {
		if a.Kind == "" {
			return noTime, nil
		}
		return 0, conflict(changedSince)
	}
	if check && !p.force && a.Kind != "" && !has(&st, from, a.Set, a.ID.isDir()) {
		return 0, conflict(changedSince)
	}
	mode := st.Mode & 0o7777
	want := mode
	if a.Set&setMode != 0 || mode == to.Mode|0o700 { // or unlockDirs was here
		want = to.Mode
	}
	if a.Set&setXattrs != 0 {
		if err := p.amendXattrs(fd, mode, from, to); err != nil {
			return 0, err
		}
		mode = noMode // an ACL is a mode, too
	}
	if a.Set&setGroup != 0 && st.Gid != to.GID {
		if err := chgrpFD(fd, to.GID); err != nil {
			return 0, orRefusal(err, "given to its group")
		}
		mode = noMode // which takes setuid and setgid away
	}
	if mode != want {
		if err := chmodFD(fd, want); err != nil {
			return 0, orRefusal(err, "given its mode")
		}
	}
	if a.Set&setTime != 0 && to.MTime != noTime && st.Mtim.Nano() != to.MTime {
		err := timesFD(fd, omitTime, unix.NsecToTimespec(to.MTime))
		if err != nil && (a.Kind != "" || err != unix.EPERM && err != unix.EACCES) { // a directory of somebody else
			return 0, orRefusal(err, "given its time")
		}
	}
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	return st.Mtim.Nano(), nil
}

const noMode = 1 << 31

// has tells whether a file has the attributes that are to be changed.
func has(st *unix.Stat_t, a *attrs, set what, dir bool) bool {
	mode := st.Mode & 0o7777
	return (set&setMode == 0 || mode == a.Mode || dir && mode == a.Mode|0o700) &&
		(set&setGroup == 0 || st.Gid == a.GID) &&
		(set&setTime == 0 || dir || a.MTime == noTime || st.Mtim.Nano() == a.MTime)
}

// amendXattrs makes the extended attributes those of to. Others than those of from, which somebody else made, stay.
func (p *performer) amendXattrs(fd int, mode uint32, from, to *attrs) error {
	f := xheld(fd)
	if mode&0o200 == 0 && os.Geteuid() != 0 {
		if err := chmodFD(fd, mode|0o200); err != nil {
			return orRefusal(err, "given its attributes")
		}
	}
	find := func(list []xattr, name string) int {
		return slices.IndexFunc(list, func(x xattr) bool { return x.Name == name })
	}
	for _, x := range from.Xattrs {
		if find(to.Xattrs, x.Name) < 0 {
			if err := removeXattr(f, x.Name); err != nil && err != unix.ENODATA {
				return orRefusal(err, "freed of an attribute")
			}
		}
	}
	for _, x := range to.Xattrs {
		if value, ok, err := f.get(x.Name); err == nil && ok && bytes.Equal(value, x.Value) {
			continue
		}
		if err := setXattr(f, x.Name, x.Value); err != nil {
			return orRefusal(err, "given an attribute")
		}
	}
	return nil
}

// unlocked gives a directory of a box the mode with which its owner may change what is in it, for as long as do lasts:
// programs take that right away, as Go does for the modules that it keeps. Stopped in between, it keeps that mode.
func unlocked(dir int, do func() error) error {
	mode, locked, err := isLocked(dir)
	if err != nil {
		return err
	}
	if !locked {
		return do()
	}
	if err := chmodFD(dir, mode|0o700); err != nil {
		return err
	}
	err = do()
	if err2 := chmodFD(dir, mode); err == nil {
		err = err2
	}
	return err
}

// isLocked tells whether a directory is ours, and has a mode with which we may not change what is in it.
func isLocked(dir int) (mode uint32, locked bool, err error) {
	var st unix.Stat_t
	err = unix.Fstat(dir, &st)
	uid := os.Geteuid()
	return st.Mode & 0o7777, st.Mode&0o300 != 0o300 && uid != 0 && int(st.Uid) == uid, err
}
