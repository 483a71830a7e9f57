package overlay

import (
	"bytes"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// An xfile is a file whose extended attributes are read: by a descriptor, or where it is not open, or only as
// O_PATH, by a path of one name below a descriptor in /proc. No link is followed.
type xfile struct {
	fd     int
	path   string // "" where fd will do
	handle bool   // path is the link in /proc of a descriptor: where that leads is the file
}

// xnamed is the file of that name in a directory.
func xnamed(dirfd int, name string) xfile {
	return xfile{fd: -1, path: "/proc/self/fd/" + strconv.Itoa(dirfd) + "/" + name}
}

// xheld is the file of a descriptor that may be O_PATH.
func xheld(fd int) xfile { return xfile{fd: fd, path: fdPath(fd), handle: true} }

// get returns the value of an attribute, and whether there is one.
func (f xfile) get(name string) (value []byte, ok bool, err error) {
	var space [256]byte
	value, err = f.call(space[:], func(buf []byte) (int, error) {
		switch {
		case f.handle:
			return unix.Getxattr(f.path, name, buf)
		case f.path != "":
			return unix.Lgetxattr(f.path, name, buf)
		}
		return unix.Fgetxattr(f.fd, name, buf)
	})
	if err == unix.ENODATA || err == unix.ENOTSUP {
		return nil, false, nil
	}
	return value, err == nil, err
}

// list returns the names of those attributes that count, in order.
func (f xfile) list() (names []string, err error) {
	var space [512]byte
	raw, err := f.call(space[:], func(buf []byte) (int, error) {
		switch {
		case f.handle:
			return unix.Listxattr(f.path, buf)
		case f.path != "":
			return unix.Llistxattr(f.path, buf)
		}
		return unix.Flistxattr(f.fd, buf)
	})
	if err == unix.ENOTSUP {
		return nil, nil
	}
	for len(raw) > 0 {
		name, rest, _ := bytes.Cut(raw, []byte{0})
		if counts(string(name)) {
			names = append(names, string(name))
		}
		raw = rest
	}
	slices.Sort(names)
	return names, err
}

// maxXattr bounds both values and lists of names: XATTR_SIZE_MAX and XATTR_LIST_MAX in linux/limits.h.
const maxXattr = 64 << 10

func (f xfile) call(buf []byte, do func([]byte) (int, error)) ([]byte, error) {
	n, err := do(buf)
	if err == unix.ERANGE && len(buf) < maxXattr {
		buf = make([]byte, maxXattr)
		n, err = do(buf)
	}
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// xattrFlags tells whether extended attributes differ, and whether upper has gained file capabilities. With front,
// upper was copied up from a directory that had none of the home's: what it lacks does not count.
func xattrFlags(upper, home xfile, front bool) (f Flags, err error) {
	up, err := upper.list()
	if err != nil {
		return 0, err
	}
	down, err := home.list()
	if err != nil {
		return 0, err
	}
	if len(up) == 0 && len(down) == 0 {
		return 0, nil
	}
	if !slices.Equal(up, down) && !front {
		f |= DiffXattr
	}
	for _, name := range up {
		value, _, err := upper.get(name)
		if err != nil {
			return f, err
		}
		real, ok, err := home.get(name)
		if err != nil {
			return f, err
		}
		if ok && bytes.Equal(value, real) {
			continue
		}
		f |= DiffXattr
		if name == attrCaps {
			f |= Capability
		}
	}
	return f, nil
}

// gainedCaps tells whether a file that is not compared otherwise has capabilities that home lacks.
func gainedCaps(upper, home xfile) (bool, error) {
	value, ok, err := upper.get(attrCaps)
	if err != nil || !ok {
		return false, err
	}
	if home == (xfile{}) {
		return true, nil
	}
	real, ok, err := home.get(attrCaps)
	return !ok || !bytes.Equal(value, real), err
}

// isOpaque tells whether a directory of the upper is marked opaque by an attribute.
func isOpaque(dirfd int, b Backend) (bool, error) {
	for _, name := range b.opaqueAttrs() {
		value, ok, err := xfile{fd: dirfd}.get(name)
		if err != nil || ok && b.opaqueValue(value) {
			return err == nil, err
		}
	}
	return false, nil
}

// isXwhiteout tells whether an empty file of the upper is a whiteout by its attribute. Linux 6.7 and later take it for
// one in any directory, whether that is marked with opaque=x or not (ovl_path_is_whiteout; seen with 6.18). No program
// can set it through the mount, so where a file of mode 000 may not be asked, it is a file.
func isXwhiteout(dirfd int, name string) (bool, error) {
	_, ok, err := xnamed(dirfd, name).get(attrWhiteout)
	if err == unix.EACCES {
		return false, nil
	}
	return ok, err
}
