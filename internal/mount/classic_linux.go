package mount

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"cove/internal/stage"
)

// Classic builds with mount(2): for kernels before 5.12, and where an outer sandbox refuses the newer calls.
//
// mount(2) takes paths. They are all /proc/self/fd/N, of handles that openat2(2) resolved.
type Classic struct {
	// Below lists the mounts of the host that lie at or below a path, outermost first: a recursive bind
	// takes them along, and mount(2) makes only one mount read-only at a time.
	Below func(path string) []Submount

	numbers
	held   []stage.Slot // for each op, what is bound
	null   stage.Slot   // /dev/null, which files are masked with
	device stage.Parcel // of the fuse mount
}

// A Submount is a mount of the host. Flags are MS_*: those that it has must be given again when it is remounted
// in a user namespace, where they are locked (mount_namespaces(7)).
type Submount struct {
	Path  string
	Flags uintptr
}

// base is where the new root is put together. It must exist, be no link that anybody could have made, and never be
// bound itself: the bind would take the new root along. What it hides is found through handles that were opened
// before.
const base = "/dev"

// Gather implements Builder.
func (b *Classic) Gather(l *stage.List, ops []Op) {
	b.held, b.numbers = make([]stage.Slot, len(ops)), number(ops, 0)
	l.Call(0, unix.SYS_MOUNT, nil, "/", nil, unix.MS_REC|unix.MS_PRIVATE, nil)
	first, masked := b.layers, false
	for i, op := range ops {
		switch op.Do {
		case BindTo:
			b.held[i] = open(l, i, unix.AT_FDCWD, op.Source, 0, 0)
		case Mask:
			if op.Type != "dir" && !masked {
				masked = true
				b.null = open(l, i, unix.AT_FDCWD, "/dev/null", 0, 0)
			}
		case Overlay:
			b.layersOf(l, i, op.Layers, first)
			first += b.stride
		case Mount:
			if op.Type == "fuse" {
				b.device = b.openFuse(l, i)
			}
		}
	}
	first = b.layers
	for i, op := range ops {
		if op.Do != Overlay {
			continue
		}
		if op.Layers.HasFront() {
			// Where the new root will be put on top of it.
			l.Call(i, unix.SYS_MOUNT, "tmpfs", base, "tmpfs", 0, strings.Join(frontOptions, ","))
			m := open(l, i, unix.AT_FDCWD, base, unix.O_DIRECTORY, 0)
			l.Call(i, unix.SYS_DUP3, m, first, unix.O_CLOEXEC)
			closeFD(l, i, m)
			fillFront(l, i, op.Layers.Front, first)
		}
		if op.Layers.Nested {
			l.Call(i, unix.SYS_MOUNT, "overlay", base, "overlay", unix.MS_RDONLY, strings.Join(innerOptions(op.Layers, first), ","))
			m := open(l, i, unix.AT_FDCWD, base, unix.O_DIRECTORY, 0)
			l.Call(i, unix.SYS_DUP3, m, b.inner(first), unix.O_CLOEXEC)
			closeFD(l, i, m)
		}
		first += b.stride
	}
}

// Build implements Builder.
func (b *Classic) Build(l *stage.List, ops []Op) {
	first := b.layers
	for i, op := range ops {
		switch op.Do {
		case Mkdir, File, Symlink:
			makeEntry(l, i, op, b.root, unix.RESOLVE_IN_ROOT)
		case BindTo:
			b.bind(l, i, b.held[i], op)
			closeFD(l, i, b.held[i])
		case Protect, Pin:
			self := open(l, i, b.root, op.Target, 0, unix.RESOLVE_IN_ROOT)
			bound := op
			if op.Do == Protect {
				bound = op.With("ro")
			}
			b.bind(l, i, self, bound)
			closeFD(l, i, self)
		case Mount:
			if op.Type == "fuse" {
				b.mount(l, i, op.Type, op.Target, b.fuseOptions(op))
				b.handFuse(l, i, b.device)
				continue
			}
			b.mount(l, i, op.Type, op.Target, op.Options)
		case Overlay:
			_, ms, _ := attributes(op.Options)
			options := b.layersOf(l.NewList(), i, op.Layers, first)
			b.mountAt(l, i, "overlay", op.Target, ms, strings.Join(options, ","))
			b.closeLayers(l, i, first)
			first += b.stride
		case Mask:
			const ms = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
			if op.Type == "dir" {
				b.mountAt(l, i, "tmpfs", op.Target, ms, "mode=555,size=4k,nr_inodes=1")
				continue
			}
			b.bind(l, i, b.null, Op{Target: op.Target, Source: "/dev/null", Options: []string{"ro", "nosuid", "nodev", "noexec"}})
		case Seal:
			b.remount(l, i, op.Target, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV)
		case Pivot:
			l.Call(i, unix.SYS_FCHDIR, b.root)
			pivot(l, i)
		}
	}
}

// mount adds mounting a new file system.
func (b *Classic) mount(l *stage.List, i int, fstype, target string, options []string) {
	_, ms, own := attributes(options)
	b.mountAt(l, i, fstype, target, ms, strings.Join(own, ","))
}

func (b *Classic) mountAt(l *stage.List, i int, fstype, target string, ms uintptr, data string) {
	if target == "/" {
		l.Call(i, unix.SYS_MOUNT, fstype, base, fstype, ms, data)
		root := open(l, i, unix.AT_FDCWD, base, unix.O_DIRECTORY, 0)
		l.Call(i, unix.SYS_DUP3, root, b.root, unix.O_CLOEXEC)
		closeFD(l, i, root)
		return
	}
	b.openTarget(l, i, target)
	l.Call(i, unix.SYS_MOUNT, fstype, procFD(b.target), fstype, ms, data)
}

// openTarget adds opening target at b.target.
func (b *Classic) openTarget(l *stage.List, i int, target string) {
	fd := open(l, i, b.root, path.Clean(target), 0, unix.RESOLVE_IN_ROOT)
	l.Call(i, unix.SYS_DUP3, fd, b.target, unix.O_CLOEXEC)
	closeFD(l, i, fd)
}

// bind adds binding what source is at the op's target, with its options on every mount that comes along.
func (b *Classic) bind(l *stage.List, i int, source stage.Slot, op Op) {
	l.Call(i, unix.SYS_DUP3, source, b.source, unix.O_CLOEXEC)
	b.openTarget(l, i, op.Target)
	l.Call(i, unix.SYS_MOUNT, procFD(b.source), procFD(b.target), nil, unix.MS_BIND|unix.MS_REC, nil)
	_, ms, _ := attributes(op.Options)
	if ms == 0 {
		return
	}
	from := op.Source
	if from == "" { // protect: it stands on a file system that we mounted
		b.remount(l, i, op.Target, ms|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC)
		return
	}
	for _, sub := range b.Below(from) {
		target := op.Target
		if sub.Path != from && strings.HasPrefix(sub.Path, strings.TrimSuffix(from, "/")+"/") {
			target = path.Join(op.Target, strings.TrimPrefix(sub.Path, from))
		}
		b.remount(l, i, target, ms|sub.Flags)
	}
}

func (b *Classic) remount(l *stage.List, i int, target string, ms uintptr) {
	b.openTarget(l, i, target)
	l.Call(i, unix.SYS_MOUNT, nil, procFD(b.target), nil, unix.MS_REMOUNT|unix.MS_BIND|ms, nil)
}
