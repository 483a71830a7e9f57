package mount

import (
	"path"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"cove/internal/stage"
)

// NewAPI builds with open_tree, fsopen and move_mount (Linux 5.2) and mount_setattr (5.12).
type NewAPI struct {
	// Thrifty says that few descriptors may be open at a time: then each is closed as soon as it is not needed. Otherwise
	// Build leaves that to one call at its end.
	Thrifty bool

	// Last adds what is to be done when all is mounted, and, but where Thrifty is, still Held. It may be nil.
	Last func(l *stage.List)

	numbers
	held  []stage.Slot // for each op, its detached mount, where that is made early
	null  stage.Slot   // a mount of /dev/null, which files are masked with
	stock []stocked
}

// stocked is a file system that was made before it was known where it will be mounted.
type stocked struct {
	op  Op
	fs  stage.Slot
	out bool
}

// Stock adds making file systems as ops mount them, for Gather to take. What it does not take vanishes with the stage's
// descriptors. An op's target does not matter. What fails is told as i for the first of them, and so on.
func (b *NewAPI) Stock(l *stage.List, i int, ops []Op) {
	for n, op := range ops {
		attr, _, own := attributes(op.Options)
		b.stock = append(b.stock, stocked{op: op, fs: newFS(l, i+n, op.Type, attr, own)})
	}
}

// take returns a file system as op mounts it.
func (b *NewAPI) take(l *stage.List, i int, op Op) stage.Slot {
	for n := range b.stock {
		s := &b.stock[n]
		if !s.out && s.op.Alike(&op) {
			s.out = true
			return s.fs
		}
	}
	attr, _, own := attributes(op.Options)
	return newFS(l, i, op.Type, attr, own)
}

// inRoot tells whether p is a name in the root itself. It is our own, and nobody else can have made a link there.
func inRoot(p string) bool { return len(p) > 1 && strings.LastIndexByte(p, '/') == 0 }

// Gather implements Builder.
func (b *NewAPI) Gather(l *stage.List, ops []Op) {
	b.held, b.numbers = make([]stage.Slot, len(ops)), number(ops, len(b.stock))
	// The new mount namespace is a slave of the host's: what is mounted there from now on would appear here.
	l.Call(0, unix.SYS_MOUNT, nil, "/", nil, unix.MS_REC|unix.MS_PRIVATE, nil)
	first, masked := b.layers, false
	for i, op := range ops {
		switch op.Do {
		case BindTo:
			// The path is looked up here, in the child's own mount namespace: open_tree(2) refuses a
			// descriptor of the parent's.
			fd := open(l, i, unix.AT_FDCWD, op.Source, 0, 0)
			b.held[i] = cloneTree(l, i, fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
			closeFD(l, i, fd)
			attr, _, _ := attributes(op.Options)
			setAttr(l, i, b.held[i], "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr)
		case Mount:
			if op.Type == "fuse" {
				device := b.openFuse(l, i)
				attr, _, own := attributes(b.fuseOptions(op))
				b.held[i] = newFS(l, i, op.Type, attr, own)
				b.handFuse(l, i, device)
				continue
			}
			if early(op) {
				b.held[i] = b.take(l, i, op)
			}
		case Overlay:
			attr, _, _ := attributes(op.Options)
			b.held[i] = b.overlay(l, i, op.Layers, attr, first)
			first += b.stride
		case Mask:
			if op.Type != "dir" && !masked {
				masked = true
				b.null = cloneTree(l, i, unix.AT_FDCWD, "/dev/null", 0)
				setAttr(l, i, b.null, "", unix.AT_EMPTY_PATH, nothing)
			}
		}
	}
}

// overlay makes a copy-on-write mount.
//
// A layer that was made for it must be mounted somewhere in our namespace while the overlay is made, which then has a
// mount of it for itself. On top of / nobody meets it. But nothing may be left there: Pivot lets go of the topmost mount
// alone.
func (b *NewAPI) overlay(l *stage.List, i int, v *Layers, attr uint64, first int) stage.Slot {
	onTop := 0
	put := func(m stage.Slot, fd int) {
		l.Call(i, unix.SYS_MOVE_MOUNT, m, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH)
		l.Call(i, unix.SYS_DUP3, m, fd, unix.O_CLOEXEC)
		onTop++
	}
	if v.HasFront() {
		m := newFS(l, i, "tmpfs", 0, frontOptions)
		put(m, first)
		fillFront(l, i, v.Front, m)
		closeFD(l, i, m)
	}
	options := b.layersOf(l, i, v, first)
	if v.Nested {
		m := newFS(l, i, "overlay", unix.MOUNT_ATTR_RDONLY, innerOptions(v, first))
		put(m, b.inner(first))
		closeFD(l, i, m)
	}
	made := newFS(l, i, "overlay", attr, options)
	b.closeLayers(l, i, first)
	for range onTop {
		l.Call(i, unix.SYS_UMOUNT2, "/", unix.MNT_DETACH)
	}
	return made
}

// nothing are the attributes of what a Mask covers its target with.
const nothing = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// Build implements Builder.
func (b *NewAPI) Build(l *stage.List, ops []Op) {
	b.build(l, ops)
	if b.Last != nil {
		b.Last(l)
	}
	if !b.Thrifty {
		l.Call(len(ops)-1, unix.SYS_CLOSE_RANGE, 4, ^uint32(0), 0)
	}
}

// Held is the mount that an op made.
func (b *NewAPI) Held(op int) stage.Slot { return b.held[op] }

// close adds closing a descriptor, at once or at the end of Build.
func (b *NewAPI) close(l *stage.List, i int, fd stage.Slot) {
	if b.Thrifty {
		closeFD(l, i, fd)
	}
}

func (b *NewAPI) build(l *stage.List, ops []Op) {
	masked := false
	for i, op := range ops {
		switch op.Do {
		case Mkdir, File, Symlink:
			makeEntry(l, i, op, unix.AT_FDCWD, 0)
		case Mask:
			switch {
			case op.Type == "dir":
				b.attach(l, i, newFS(l, i, "tmpfs", nothing, []string{"mode=555", "size=4k", "nr_inodes=1"}), op.Target)
			case !masked:
				masked = true
				b.move(l, i, b.null, op.Target)
			default:
				// By the first one's descriptor, now that it is mounted: a detached one cannot be cloned before Linux 6.15.
				// Not by its path, which is another file by now if the host replaced what was there.
				b.attach(l, i, cloneTree(l, i, b.null, "", unix.AT_EMPTY_PATH), op.Target)
			}
		case BindTo, Overlay, Mount:
			if op.Do == Mount && !early(op) {
				b.held[i] = b.take(l, i, op)
			}
			if op.Target == "/" {
				// On top of the host's root, where it is out of the way of what is still to be found;
				// Pivot makes it the root.
				l.Call(i, unix.SYS_MOVE_MOUNT, b.held[i], "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH)
				l.Call(i, unix.SYS_FCHDIR, b.held[i])
				b.close(l, i, b.held[i])
				continue
			}
			b.attach(l, i, b.held[i], op.Target)
		case Protect, Pin:
			fd := open(l, i, unix.AT_FDCWD, op.Target, 0, 0)
			t := cloneTree(l, i, fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
			b.close(l, i, fd)
			if op.Do == Protect {
				attr, _, _ := attributes(op.Options)
				setAttr(l, i, t, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr|unix.MOUNT_ATTR_RDONLY)
			}
			b.attach(l, i, t, op.Target)
		case Seal:
			setAttr(l, i, unix.AT_FDCWD, op.Target, 0, unix.MOUNT_ATTR_RDONLY)
		case Pivot:
			pivot(l, i)
		}
	}
}

// attach adds moving the detached mount to target, and letting it go.
func (b *NewAPI) attach(l *stage.List, i int, held stage.Slot, target string) {
	b.move(l, i, held, target)
	b.close(l, i, held)
}

func (b *NewAPI) move(l *stage.List, i int, held stage.Slot, target string) {
	if inRoot(target) {
		// Without MOVE_MOUNT_T_SYMLINKS no link is followed that is the last component, and there is no other.
		l.Call(i, unix.SYS_MOVE_MOUNT, held, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
		return
	}
	fd := open(l, i, unix.AT_FDCWD, path.Clean(target), 0, 0)
	l.Call(i, unix.SYS_MOVE_MOUNT, held, "", fd, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	b.close(l, i, fd)
}

func cloneTree(l *stage.List, i int, dir any, p string, flags int) stage.Slot {
	t := l.NewSlot()
	l.Call(i, unix.SYS_OPEN_TREE, dir, p, flags|unix.OPEN_TREE_CLONE|unix.O_CLOEXEC).Into(t)
	return t
}

func setAttr(l *stage.List, i int, dir any, p string, flags int, attr uint64) {
	if attr == 0 {
		return
	}
	a := stage.Put(l, unix.MountAttr{Attr_set: attr})
	l.Call(i, unix.SYS_MOUNT_SETATTR, dir, p, flags, unsafe.Pointer(a), int(unsafe.Sizeof(*a)))
}

// newFS adds making a detached mount of a new file system.
func newFS(l *stage.List, i int, fstype string, attr uint64, own []string) stage.Slot {
	fs, m := l.NewSlot(), l.NewSlot()
	l.Call(i, unix.SYS_FSOPEN, fstype, unix.FSOPEN_CLOEXEC).Into(fs)
	for _, o := range own {
		if key, value, ok := strings.Cut(o, "="); ok {
			l.Call(i, unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_STRING, key, value, 0)
		} else {
			l.Call(i, unix.SYS_FSCONFIG, fs, unix.FSCONFIG_SET_FLAG, key, nil, 0)
		}
	}
	l.Call(i, unix.SYS_FSCONFIG, fs, unix.FSCONFIG_CMD_CREATE, nil, nil, 0)
	l.Call(i, unix.SYS_FSMOUNT, fs, unix.FSMOUNT_CLOEXEC, attr).Into(m)
	closeFD(l, i, fs)
	return m
}
