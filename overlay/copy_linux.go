package overlay

import (
	"context"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// A copier makes files that are like others: with their content and its holes, mode, group, times, extended attributes
// and ACLs. It follows no link, and opens nothing but regular files. It has memory for one copy at a time.
type copier struct {
	ctx     context.Context
	groups  []int // those that files may be given
	noClone bool  // this pair of file systems shares no bytes
	sync    bool  // each file is on the disk when its copy is done
	buf     []byte
}

func newCopier(ctx context.Context) *copier {
	groups, _ := os.Getgroups()
	return &copier{ctx: ctx, groups: append(groups, os.Getegid())}
}

// file copies a regular file of that name. With bare, without setuid and setgid.
func (c *copier) file(srcDir int, name string, dstDir int, as string, bare bool) (id ident, err error) {
	src, size, err := openFile(srcDir, name)
	if err != nil {
		return id, err
	}
	defer unix.Close(src)
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return id, err
	}
	dst, err := createAt(dstDir, as)
	if err != nil {
		return id, err
	}
	defer unix.Close(dst)
	if err := c.content(src, dst, size, st.Blocks*512 < size); err != nil {
		return id, err
	}
	// Attributes first: a file of mode 0444 takes no more of them from its owner.
	if err := c.xattrs(xfile{fd: src}, xfile{fd: dst}); err != nil {
		return id, err
	}
	var made unix.Stat_t
	if err := unix.Fstat(dst, &made); err != nil {
		return id, err
	}
	if made.Gid != st.Gid && slices.Contains(c.groups, int(st.Gid)) {
		if err := chgrpFD(dst, st.Gid); err != nil {
			return id, err
		}
	}
	mode := st.Mode & 0o7777
	if bare {
		mode &^= 0o6000
	}
	if made.Mode&0o7777 != mode {
		if err := chmodOpen(dst, mode); err != nil {
			return id, err
		}
	}
	if err := timesOpen(dst, st.Atim, st.Mtim); err != nil {
		return id, err
	}
	if c.sync {
		if err := syncFile(dst); err != nil {
			return id, err
		}
	}
	return ident{Ino: made.Ino, Mode: unix.S_IFREG | mode, Size: size, MTime: st.Mtim.Nano()}, nil
}

// content copies the first size bytes. A file that ends before was changed meanwhile.
func (c *copier) content(src, dst int, size int64, holes bool) error {
	if size == 0 {
		return nil
	}
	if c.buf == nil {
		c.buf = make([]byte, 256<<10)
	}
	if !c.noClone {
		err := clone(dst, src)
		if err == nil {
			return nil
		}
		c.noClone = err == unix.EOPNOTSUPP || err == unix.EXDEV || err == unix.ENOTTY || err == unix.ENOSYS || err == unix.EINVAL
	}
	if !holes {
		return c.stretch(src, dst, 0, size)
	}
	// Its size first, so that an end that is a hole needs no more.
	if err := truncateTo(dst, size); err != nil {
		return err
	}
	var e extent
	for off := int64(0); off < size; off = e.end {
		if e = e.after(src, off, size); e.start >= size {
			break
		}
		if err := c.stretch(src, dst, e.start, e.end); err != nil {
			return err
		}
	}
	return nil
}

// stretch copies the bytes from off to end, which are data.
func (c *copier) stretch(src, dst int, off, end int64) error {
	inKernel := end-off > int64(len(c.buf))
	for off < end {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if inKernel {
			n, err := copyRange(src, dst, off, end-off)
			switch err {
			case nil:
				if n == 0 {
					return errChanged
				}
				off += int64(n)
				continue
			case unix.EINTR:
				continue
			case unix.EXDEV, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOSYS, unix.EBADF:
				inKernel = false
			default:
				return err
			}
		}
		b := c.buf[:min(int64(len(c.buf)), end-off)]
		whole, err := readAt(src, b, off)
		if err == nil && !whole {
			err = errChanged
		}
		if err == nil {
			err = writeAll(dst, b, off)
		}
		if err != nil {
			return err
		}
		off += int64(len(b))
	}
	return nil
}

// xattrs copies those extended attributes that a home may have, user.* first: with an ACL that takes the owner's
// right to write, they could not be set any more.
func (c *copier) xattrs(src, dst xfile) error {
	names, err := src.list()
	if err != nil {
		return err
	}
	for _, acl := range []bool{false, true} {
		for _, name := range names {
			if isACL := name[0] == 's'; isACL != acl || name == attrCaps {
				continue // capabilities of a file are not for us to give, nor would the kernel let us
			}
			value, ok, err := src.get(name)
			if err == nil && ok {
				err = setXattr(dst, name, value)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// link copies a symbolic link, as such.
func (c *copier) link(srcDir int, name string, dstDir int, as string, st *unix.Stat_t) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(srcDir, name, buf)
	if err != nil {
		return err
	}
	if err := symlinkAt(string(buf[:n]), dstDir, as); err != nil {
		return err
	}
	return c.finishAt(dstDir, as, st)
}

// special makes a fifo or a socket. Nobody listens on a socket made so.
func (c *copier) special(dstDir int, as string, st *unix.Stat_t) error {
	// The directory is ours alone, so the name is what we made.
	if err := mknodAt(dstDir, as, st.Mode&unix.S_IFMT|0o600); err != nil {
		return err
	}
	fd, err := unix.Openat(dstDir, as, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := chmodFD(fd, st.Mode&0o7777); err != nil {
		return err
	}
	return c.finishAt(dstDir, as, st)
}

func (c *copier) finishAt(dstDir int, as string, st *unix.Stat_t) error {
	var made unix.Stat_t
	if err := unix.Fstatat(dstDir, as, &made, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if made.Gid != st.Gid && slices.Contains(c.groups, int(st.Gid)) {
		if err := chgrpAt(dstDir, as, st.Gid); err != nil {
			return err
		}
	}
	return timesAt(dstDir, as, st.Atim, st.Mtim)
}

// dirAttrs gives the directory dst, open in any way, what src has. Its mode comes last.
func (c *copier) dirAttrs(dst int, st *unix.Stat_t, xattrs []xattr) error {
	var made unix.Stat_t
	if err := unix.Fstat(dst, &made); err != nil {
		return err
	}
	for _, x := range xattrs {
		if err := setXattr(xheld(dst), x.Name, x.Value); err != nil {
			return err
		}
	}
	if made.Gid != st.Gid && slices.Contains(c.groups, int(st.Gid)) {
		if err := chgrpFD(dst, st.Gid); err != nil {
			return err
		}
	}
	if err := timesFD(dst, st.Atim, st.Mtim); err != nil {
		return err
	}
	return chmodFD(dst, st.Mode&0o7777)
}

// An xattr is an extended attribute with its value.
type xattr struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// readXattrs reads all that count, but for capabilities, in an order in which they can be set: ACLs last.
func readXattrs(f xfile) (list []xattr, err error) {
	names, err := f.list()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if name == attrCaps {
			continue
		}
		value, ok, err := f.get(name)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, xattr{name, slices.Clone(value)})
		}
	}
	slices.SortStableFunc(list, byNamespace)
	return list, nil
}

// byNamespace is user.* before system.*.
func byNamespace(a, b xattr) int { return int(b.Name[0]) - int(a.Name[0]) }
