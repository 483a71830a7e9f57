package overlay

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// top enters the home itself. Of its attributes, the upper has only the mode, without setuid, setgid and sticky.
func (w *walker) top(upperfd, homefd int) error {
	var upper, home unix.Stat_t
	if err := unix.Fstat(upperfd, &upper); err != nil {
		return fmt.Errorf("cannot look at the upper directory: %w", err)
	}
	if err := unix.Fstat(homefd, &home); err != nil {
		return fmt.Errorf("cannot look at the home directory: %w", err)
	}
	p := pair{name: ".", upper: attrOf(&upper), home: attrOf(&home)}
	if (p.upper.Mode^p.home.Mode)&0o777 != 0 {
		p.flags |= DiffMode
	}
	l := level{upper: upperfd, home: homefd, hasHome: true}
	for _, o := range w.opts.Only {
		if l.only = append(l.only, "./"+path.Clean(o)); path.Clean(o) == "." {
			l.only = nil
			break
		}
	}
	return w.enter(&l, &p)
}

// enter makes the directory p, at w.path in l, the one to work in. If it is one on both sides, enter tells how the two
// differ themselves.
func (w *walker) enter(l *level, p *pair) error {
	next := level{upper: -1, home: -1, hasHome: p.home.Type == TypeDir, end: len(w.path), hidden: l.hidden || w.masks.at(w.path)}
	replaced, err := w.open(l, p, &next)
	if err != nil {
		w.cannot(err)
	}
	next.narrow(l.only, p.name)
	switch {
	case replaced:
		p.kind = Replaced
		c := w.change(l, p)
		next.replaced = &c
	case next.hasHome && p.flags != 0:
		p.kind = Meta
		c := w.change(l, p)
		if err := w.emit(w.path, &c); err != nil {
			next.free()
			return err
		}
	}
	return w.push(next)
}

// open opens and reads the directory p of l, and compares its attributes. What it could not read is left out of next.
func (w *walker) open(l *level, p *pair, next *level) (replaced bool, err error) {
	if next.upper, err = openDir(l.upper, p.name, unix.O_RDONLY); err != nil {
		return false, err
	}
	if err := search(next.upper, &p.upper); err != nil {
		return false, err
	}
	homeX := xfile{}
	if next.hasHome {
		// Who may not read it may still be able to look up what is in it.
		if next.home, err = openDir(l.home, p.name, unix.O_RDONLY); err == unix.EACCES {
			next.home, err = openDir(l.home, p.name, unix.O_PATH)
			homeX = xnamed(next.home, ".")
		} else {
			homeX = xfile{fd: next.home}
		}
		if err == nil {
			err = search(next.home, &p.home)
		}
		if err != nil {
			return false, err
		}
	}
	names, err := readNames(next.upper, w.buf[:])
	if err != nil {
		return false, err
	}
	files, deleted, opaque := w.opts.Backend.sift(names)
	next.todo = files
	if !next.hasHome {
		return false, nil
	}
	next.gone = deleted

	front := len(w.stack) == 0 || w.masks.frontDir(w.path)
	if front {
		p.flags &^= DiffOwner
	}
	flags, err := xattrFlags(xfile{fd: next.upper}, homeX, front)
	if p.flags |= flags; err != nil {
		return false, err
	}
	if len(w.stack) == 0 && w.opts.Backend != Fuse {
		return false, next.list(homeX, w.buf[:]) // the kernel does not ask its topmost directory
	}
	if !opaque {
		if opaque, err = isOpaque(next.upper, w.opts.Backend); err != nil {
			return false, err
		}
	}
	if next.opaque = opaque || l.opaque; !next.opaque { // a directory hides all that is below what it hides
		return false, next.list(homeX, w.buf[:])
	}
	if homeX.path != "" {
		return false, unix.EACCES
	}
	inHome, err := readNames(next.home, w.buf[:])
	if err != nil {
		return false, err
	}
	next.gone = w.opts.Backend.missing(inHome, files)
	next.inHome, next.listed = inHome, true
	return !l.opaque, nil
}

// narrow leaves out what is not to be looked at, given what is of the directory above.
func (l *level) narrow(only []string, name string) {
	for _, o := range only {
		if rest, ok := strings.CutPrefix(o, name); ok && rest == "" {
			l.only = nil
			return
		} else if ok && rest[0] == '/' {
			l.only = append(l.only, rest[1:])
		}
	}
	if l.only == nil {
		return
	}
	other := func(name string) bool {
		return !slices.ContainsFunc(l.only, func(o string) bool {
			rest, ok := strings.CutPrefix(o, name)
			return ok && (rest == "" || rest[0] == '/')
		})
	}
	l.todo, l.gone = slices.DeleteFunc(l.todo, other), slices.DeleteFunc(l.gone, other)
}

// worthListing is for how many names in the upper the home's directory is read. That costs about as much as looking up a
// few.
const worthListing = 6

// list reads the names in the home's directory, unless it is much longer than the upper's: looking up a name that is not
// there costs as much as one that is.
func (l *level) list(home xfile, buf []byte) (err error) {
	if home.path == "" && len(l.todo) >= worthListing {
		l.inHome, l.listed, err = readSome(l.home, buf, max(1024, 4*len(l.todo)))
	}
	return err
}

// lacks tells whether the home's directory surely has no such name. It is asked in the order of todo.
func (l *level) lacks(name string) bool {
	for len(l.inHome) > 0 && l.inHome[0] < name {
		l.inHome = l.inHome[1:]
	}
	return l.listed && (len(l.inHome) == 0 || l.inHome[0] != name)
}

// search tells whether names can be looked up in the directory. One could be read without that, but nothing in it.
func search(fd int, a *Attr) error {
	if a.Mode&0o111 == 0o111 {
		return nil
	}
	var st unix.Stat_t
	return unix.Fstatat(fd, ".", &st, unix.AT_SYMLINK_NOFOLLOW)
}
