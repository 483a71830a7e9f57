package mount

import (
	"fmt"
	"path"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"cove/internal/stage"
)

// A Builder turns Ops into the system calls of a stage.
//
// With the mount API of Linux 5.2, 5.12 (NewAPI) there are two halves. First everything that comes from the
// host is picked up as detached mounts, by descriptor, while the host's tree is still /. Then, with the Pivot
// op, that tree is let go; and only then the root is built from the descriptors. While a path inside the new
// root is walked there is no old root to reach, by whatever link (CVE-2026-87766).
//
// With mount(2) alone (Classic) a mount can only come from a tree that is still attached, so Pivot is the last
// op. Every path in the new root is then resolved from a handle of the root by openat2(2), which refuses links.
type Builder interface {
	// Gather adds the calls that must be made while the host's tree is /. The stage must have begun by closing what it
	// inherited (stage.List.CloseInherited): see numbers.
	Gather(list *stage.List, ops []Op)
	// Build adds the calls that make the root.
	Build(list *stage.List, ops []Op)
}

// numbers are descriptors whose numbers must be known when the Script is laid out, because they are part of strings
// such as "lowerdir=/proc/self/fd/60". The kernel gives the lowest that is free, and at the beginning 0 to 3 alone are
// taken: so these lie above as many as there can be, and not higher, for RLIMIT_NOFILE may be low.
type numbers struct {
	root   int // the new root, with Classic
	source int // Classic: what is bound
	target int // Classic: where to
	fuse   int
	layers int // and up: of each overlay, as many as stride
	stride int
}

// inner is where the overlay of Front and Lower is, with Nested.
func (n numbers) inner(first int) int { return first + n.stride - 1 }

// transient is more than are open for a moment, beside what is held for later.
const transient = 8

func number(ops []Op, stock int) (n numbers) {
	held := stock + 1 // /dev/null, for masks
	for _, op := range ops {
		if op.Do == BindTo || op.Do == Overlay || op.Do == Mount && early(op) {
			held++
		}
		if op.Do == Overlay {
			n.stride = max(n.stride, len(op.Layers.Lower)+len(op.Layers.Base)+4) // a front, upper, work, and that of inner
		}
	}
	first := 4 + held + transient
	n.root, n.source, n.target, n.fuse, n.layers = first, first+1, first+2, first+3, first+4
	return n
}

func procFD(n int) string { return fmt.Sprintf("/proc/self/fd/%d", n) }

// Resolution of every path. No link is followed: Compile resolved them all, so one that is met now was put
// there since, by somebody who means no good.
const resolve = unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// how makes struct open_how.
func how(l *stage.List, flags int, resolve uint64) unsafe.Pointer {
	return unsafe.Pointer(stage.Put(l, unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve}))
}

const sizeofHow = int(unsafe.Sizeof(unix.OpenHow{}))

// open adds opening path as a handle. Not with O_NOFOLLOW: together with O_PATH that would hand out a link that is
// the last component, where without it RESOLVE_NO_SYMLINKS refuses (openat2(2)).
func open(l *stage.List, op int, dir any, p string, flags int, extra uint64) stage.Slot {
	fd := l.NewSlot()
	l.Call(op, unix.SYS_OPENAT2, dir, p, how(l, unix.O_PATH|flags, resolve|extra), sizeofHow).Into(fd)
	return fd
}

func closeFD(l *stage.List, op int, fd any) { l.Call(op, unix.SYS_CLOSE, fd) }

// attributes turns fstab words into MOUNT_ATTR_* and into MS_*, and returns the words that are neither: the
// file system's own.
func attributes(words []string) (attr uint64, ms uintptr, own []string) {
	for _, w := range words {
		switch w {
		case "ro":
			attr, ms = attr|unix.MOUNT_ATTR_RDONLY, ms|unix.MS_RDONLY
		case "nosuid":
			attr, ms = attr|unix.MOUNT_ATTR_NOSUID, ms|unix.MS_NOSUID
		case "nodev":
			attr, ms = attr|unix.MOUNT_ATTR_NODEV, ms|unix.MS_NODEV
		case "noexec":
			attr, ms = attr|unix.MOUNT_ATTR_NOEXEC, ms|unix.MS_NOEXEC
		case "rw":
		default:
			own = append(own, w)
		}
	}
	return attr, ms, own
}

// pivot adds making the working directory, a mount, the root, and letting the old one go.
//
// pivot_root(".", ".") stacks the old root on the new one, from where umount2 lets it go, with all that is mounted in
// it (pivot_root(2), NOTES). But it takes the topmost mount alone: had anything been stacked on the old root, that
// would go and the old root stay, out of sight until somebody looks at "/..", for which the kernel goes to the top of
// what is mounted on the root. So that is looked at, and EXDEV ends it all.
func pivot(l *stage.List, i int) {
	l.Call(i, unix.SYS_PIVOT_ROOT, ".", ".")
	l.Call(i, unix.SYS_UMOUNT2, ".", unix.MNT_DETACH)
	l.Call(i, unix.SYS_CHDIR, "/")
	closeFD(l, i, open(l, i, unix.AT_FDCWD, "/..", unix.O_DIRECTORY, unix.RESOLVE_NO_XDEV))
}

// makeEntry adds mkdir (with all parents), file and symlink: the ops that leave something in the new root itself.
func makeEntry(l *stage.List, i int, op Op, dir any, extra uint64) {
	// in adds what do does in the directory at p. The root itself is dir, or the working directory.
	in := func(p string, do func(fd any)) {
		if p == "/" {
			do(dir)
			return
		}
		fd := open(l, i, dir, p, unix.O_DIRECTORY, extra)
		do(fd)
		closeFD(l, i, fd)
	}
	target := path.Clean(op.Target)
	up, name := path.Dir(target), path.Base(target)
	switch op.Do {
	case Mkdir:
		at := "/"
		for name := range strings.SplitSeq(strings.Trim(target, "/"), "/") {
			in(at, func(fd any) { l.Call(i, unix.SYS_MKDIRAT, fd, name, 0o755).Tolerate(unix.EEXIST) })
			at = path.Join(at, name)
		}
	case File:
		in(up, func(fd any) { l.Call(i, unix.SYS_MKNODAT, fd, name, unix.S_IFREG|0o444, 0).Tolerate(unix.EEXIST) })
	case Symlink:
		in(up, func(fd any) { l.Call(i, unix.SYS_SYMLINKAT, op.Source, fd, name) })
	}
}

// layersOf adds opening the layers of an overlay at fixed descriptors from first on, and returns the overlay's options.
// Never is a path part of an option string, where colons, commas, backslashes and lengths over 255 bytes break it, and
// where mountinfo would show it inside.
//
// With a Front, the caller has put it at first already; with Nested, inner must have put what it makes at the last of the
// descriptors before the options are used.
func (n numbers) layersOf(l *stage.List, i int, v *Layers, first int) []string {
	next := first
	at := func(p string) string {
		fd := open(l, i, unix.AT_FDCWD, p, unix.O_DIRECTORY, 0)
		l.Call(i, unix.SYS_DUP3, fd, next, unix.O_CLOEXEC)
		closeFD(l, i, fd)
		next++
		return procFD(next - 1)
	}
	var below, lower []string
	if v.HasFront() {
		below = append(below, procFD(next))
		next++
	}
	for _, p := range v.Lower {
		below = append(below, at(p))
	}
	for _, p := range v.Base {
		lower = append(lower, at(p))
	}
	if v.Nested {
		below = []string{procFD(n.inner(first))}
	}
	options := []string{"lowerdir=" + strings.Join(append(lower, below...), ":"), "upperdir=" + at(v.Upper), "workdir=" + at(v.Work), userXattr}
	if v.Volatile {
		options = append(options, "volatile")
	}
	return options
}

// Without userxattr the mount succeeds in a user namespace, but removing a directory of the lower layer fails with EIO.
// Kernels that do not know it (before 5.11) refuse.
const userXattr = "userxattr"

// innerOptions are those of the overlay of Front and Lower, with Nested.
func innerOptions(v *Layers, first int) []string {
	var lower []string
	for n := range 1 + len(v.Lower) {
		lower = append(lower, procFD(first+n))
	}
	return []string{"lowerdir=" + strings.Join(lower, ":"), userXattr}
}

func (n numbers) closeLayers(l *stage.List, i int, first int) {
	l.Call(i, unix.SYS_CLOSE_RANGE, first, first+n.stride-1, 0)
}

// frontOptions are those of the tmpfs that holds a Front.
var frontOptions = []string{"mode=755"}

// fillFront adds making the entries of a Front in the empty directory dir.
func fillFront(l *stage.List, i int, entries []Entry, dir any) {
	for _, e := range entries {
		switch e.Kind {
		case Hide:
			// Device 0:0; anybody may make it since Linux 5.8 (a3c751a50fe6).
			l.Call(i, unix.SYS_MKNODAT, dir, e.Name, unix.S_IFCHR, 0)
		case EntryFile:
			l.Call(i, unix.SYS_MKNODAT, dir, e.Name, unix.S_IFREG|0o644, 0)
		case EntryOpaque:
			l.Call(i, unix.SYS_MKDIRAT, dir, e.Name, 0o755)
			fd := l.NewSlot()
			l.Call(i, unix.SYS_OPENAT, dir, e.Name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0).Into(fd)
			l.Call(i, unix.SYS_FSETXATTR, fd, "user.overlay.opaque", "y", 1, 0)
			closeFD(l, i, fd)
		case EntryDir:
			l.Call(i, unix.SYS_MKDIRAT, dir, e.Name, 0o755)
			if e.Mode != 0 {
				l.Call(i, unix.SYS_FCHMODAT, dir, e.Name, e.Mode)
			}
		}
	}
	for _, e := range entries {
		if e.Kind == EntryDir && e.MTime != 0 {
			t := stage.Put(l, [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(e.MTime)})
			l.Call(i, unix.SYS_UTIMENSAT, dir, e.Name, unsafe.Pointer(t), 0)
		}
	}
}

// early tells which new file systems are made while the host's tree is in sight: FUSE needs /dev/fuse, and a new proc is
// given only to who can see an old one that nothing covers (mount_too_revealing).
func early(op Op) bool { return op.Type == "proc" || op.Type == "fuse" }

// fuseOptions are those of a fuse mount whose /dev/fuse is open at n.fuse.
func (n numbers) fuseOptions(op Op) []string {
	return append([]string{fmt.Sprintf("fd=%d", n.fuse), "rootmode=40000"}, op.Options...)
}

// openFuse adds opening /dev/fuse at n.fuse, inside the user namespace as the kernel asks (fuse_fill_super compares
// the opener's with the mount's).
func (n numbers) openFuse(l *stage.List, i int) stage.Parcel {
	p := l.NewParcel(stage.DescriptorFuse)
	l.Call(i, unix.SYS_OPENAT, unix.AT_FDCWD, "/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0).Into(p.Slot())
	l.Call(i, unix.SYS_DUP3, p.Slot(), n.fuse, unix.O_CLOEXEC)
	return p
}

// handFuse adds sending the device to the supervisor, and waiting until its file system is served. It must be mounted
// by now: to read from a device without a file system is EPERM.
func (n numbers) handFuse(l *stage.List, i int, p stage.Parcel) {
	l.Hand(i, p)
	closeFD(l, i, p.Slot())
	closeFD(l, i, n.fuse)
	l.Wait(i)
}
