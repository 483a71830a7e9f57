package overlay

import (
	"golang.org/x/sys/unix"
)

// A pair is one name, and what is there in the upper directory and in the home.
type pair struct {
	name        string
	gone        bool // the upper's format says that nothing is there, so it is not asked
	alone       bool // the same of the home, as far as its list of names tells
	upper, home Attr
	kind        Kind // "" where nothing differs, or where it takes a look inside
	flags       Flags
	err         error // what kept us from knowing more
}

// An examiner finds out about pairs. Several work at once, each on its own.
type examiner struct {
	w *walker
	comparer
	text []byte
}

// examine fills in all that can be known of a pair without looking inside directories.
func (x *examiner) examine(l *level, p *pair) {
	if !p.gone {
		if p.upper, p.err = attrAt(l.upper, p.name); p.err != nil {
			return
		}
	}
	if l.hasHome && !p.alone {
		if p.home, p.err = attrAt(l.home, p.name); p.err != nil {
			return
		}
	}
	if p.upper.Type == TypeFile && p.upper.Size == 0 && x.w.opts.Backend != Fuse {
		white, err := isXwhiteout(l.upper, p.name)
		if err != nil {
			p.err = err
			return
		}
		if white {
			p.upper = Attr{Type: TypeWhiteout}
		}
	}
	kind, look := classify(&p.upper, &p.home)
	p.kind, p.flags = kind, attrFlags(&p.upper, &p.home, x.w.opts.Backend)
	switch look {
	case lookBytes:
		x.bytes(l, p)
	case lookText:
		p.err = x.targets(l, p)
	case lookAttr:
		// No extended attributes of special files: a program can set none but ACLs, which show in the mode.
	}
	if p.kind == "" && look != lookNowhere && look != lookInside && p.flags != 0 {
		p.kind = Meta
	}
	if p.kind == "" || x.w.tell == nil && x.w.opts.Made == nil {
		return
	}
	p.flags |= warnFlags(p.kind, &p.upper, &p.home)
	if look == lookNowhere && p.err == nil {
		p.err = x.details(l, p)
	}
}

// bytes compares two regular files of one size.
func (x *examiner) bytes(l *level, p *pair) {
	if p.upper.Size == 0 {
		var f Flags
		f, p.err = xattrFlags(xnamed(l.upper, p.name), xnamed(l.home, p.name), false)
		p.flags |= f
		return
	}
	upper, size, err := openFile(l.upper, p.name)
	if err != nil {
		p.err = err
		return
	}
	defer unix.Close(upper)
	home, homeSize, err := openFile(l.home, p.name)
	if err != nil {
		p.err = err
		return
	}
	defer unix.Close(home)
	same := size == homeSize // one may have been written to just now
	if same {
		if same, err = x.same(upper, home, size); err != nil {
			p.err = err
			return
		}
	}
	if !same {
		p.kind = Modified
		p.err = x.caps(p, xfile{fd: upper}, xfile{fd: home})
		return
	}
	f, err := xattrFlags(xfile{fd: upper}, xfile{fd: home}, false)
	p.flags, p.err = p.flags|f, err
}

// targets compares two symbolic links.
func (x *examiner) targets(l *level, p *pair) (err error) {
	if p.upper.Target, err = x.readlink(l.upper, p.name); err != nil {
		return err
	}
	if p.home.Target, err = x.readlink(l.home, p.name); err != nil {
		return err
	}
	if p.upper.Target != p.home.Target {
		p.kind = Modified
	}
	return nil
}

// details reads what is told of a change that attributes sufficed to find.
func (x *examiner) details(l *level, p *pair) (err error) {
	if p.upper.Type == TypeSymlink {
		if p.upper.Target, err = x.readlink(l.upper, p.name); err != nil {
			return err
		}
	}
	if p.home.Type == TypeSymlink {
		if p.home.Target, err = x.readlink(l.home, p.name); err != nil {
			return err
		}
	}
	var home xfile
	if p.home.Type == TypeFile {
		home = xnamed(l.home, p.name)
	}
	return x.caps(p, xnamed(l.upper, p.name), home)
}

// caps looks for file capabilities, which do nothing but in executables.
func (x *examiner) caps(p *pair, upper, home xfile) error {
	if p.upper.Type != TypeFile || p.upper.Mode&0o111 == 0 || x.w.tell == nil {
		return nil
	}
	gained, err := gainedCaps(upper, home)
	if gained {
		p.flags |= Capability
	}
	return err
}

func (x *examiner) readlink(dirfd int, name string) (string, error) {
	if x.text == nil {
		x.text = make([]byte, unix.PathMax)
	}
	n, err := unix.Readlinkat(dirfd, name, x.text)
	if err != nil {
		return "", err
	}
	return string(x.text[:n]), nil
}

// openFile opens a regular file, and nothing else that may have come to its place since it was looked at: a fifo
// would not keep us waiting, and is let go.
func openFile(dirfd int, name string) (fd int, size int64, err error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, err = unix.Openat(dirfd, name, flags, 0)
	for err == unix.EINTR {
		fd, err = unix.Openat(dirfd, name, flags, 0)
	}
	if err != nil {
		return -1, 0, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, 0, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1, 0, errChanged
	}
	return fd, st.Size, nil
}
