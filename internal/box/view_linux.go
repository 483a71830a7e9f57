package box

import (
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// A View looks at a box without its lock: a box in use, too, can be looked at, and may change meanwhile.
type View struct {
	Meta    Meta
	Running bool
	Upper   int // descriptor of the upper directory of the home; -1 where the box has none
	// RootUpper is likewise that of the copy-on-write root, which lies over Meta.Root.
	RootUpper int

	fd int
}

// View opens a box for looking. Where it does not exist, or was never finished, errors.Is(err, fs.ErrNotExist) holds.
func (s *Store) View(name string) (*View, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := s.open(false); err != nil {
		return nil, noSuchBox(name, err)
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(s.fd, name, flags, 0)
	if err == unix.ENOENT {
		return nil, noSuchBox(name, err)
	} else if err != nil {
		return nil, fmt.Errorf("cannot open box %s/%s: %w", s.path, name, err)
	}
	v := &View{fd: fd, Upper: -1, RootUpper: -1}
	v.Running, _ = running(fd)
	for _, u := range []struct {
		name string
		fd   *int
	}{{"upper", &v.Upper}, {"root-upper", &v.RootUpper}} {
		if *u.fd, err = unix.Openat(fd, u.name, flags, 0); err != nil && err != unix.ENOENT {
			v.Close()
			return nil, fmt.Errorf("cannot open the changes in box %s: %w", name, err)
		}
	}
	err = v.ReadJSON("box.json", &v.Meta)
	if err == nil && v.Meta.Home == "" {
		err = errNoHome
	}
	if err != nil {
		defer v.Close()
		if empty(fd, "upper") && empty(fd, "root-upper") {
			return nil, noSuchBox(name, fs.ErrNotExist)
		}
		return nil, &DamagedError{name, err, &Box{name: name, path: s.path + "/" + name, fd: -1, lockfd: -1}}
	}
	v.Meta.Name = name
	return v, nil
}

// BasesOf lists the boxes that a box lies on, as Box.Bases; none where there is no such box.
func (s *Store) BasesOf(name string) ([]string, error) {
	if CheckName(name) != nil || s.open(false) != nil {
		return nil, nil
	}
	m, err := s.meta(name)
	if err != nil {
		return nil, nil
	}
	return s.bases(name, &m)
}

// ReadJSON reads a file that Box.WriteJSON wrote.
func (v *View) ReadJSON(name string, to any) error { return readJSON(v.fd, name, to) }

// Close lets the box go.
func (v *View) Close() {
	for _, fd := range []int{v.fd, v.Upper, v.RootUpper} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
