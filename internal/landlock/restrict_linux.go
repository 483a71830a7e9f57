package landlock

import (
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"cove/internal/stage"
)

// rights are the kernel's words for ours, and since which ABI it knows them.
var rights = []struct {
	right Right
	abi   int
	bits  uint64
}{
	{List, 1, unix.LANDLOCK_ACCESS_FS_READ_DIR},
	{Read, 1, unix.LANDLOCK_ACCESS_FS_READ_FILE},
	{Exec, 1, unix.LANDLOCK_ACCESS_FS_EXECUTE},
	{Write, 1, unix.LANDLOCK_ACCESS_FS_WRITE_FILE},
	{Write, 3, unix.LANDLOCK_ACCESS_FS_TRUNCATE},
	{Make, 1, unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM},
	{Make, ABIRefer, unix.LANDLOCK_ACCESS_FS_REFER},
	{Ioctl, 5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
}

// bits are what a kernel of the given ABI makes of some rights; of all with nil.
func bits(abi int, some []Right) (b uint64) {
	for i := range rights {
		if r := &rights[i]; r.abi <= abi && (some == nil || slices.Contains(some, r.right)) {
			b |= r.bits
		}
	}
	return b
}

func scoped(scopes []Scope) (b uint64) {
	for _, s := range scopes {
		switch s {
		case AbstractSockets:
			b |= unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
		case Signals:
			b |= unix.LANDLOCK_SCOPE_SIGNAL
		}
	}
	return b
}

// ABI asks the kernel for its version of the interface, which is 1 at least. The error is ENOSYS where the kernel has no
// Landlock, EOPNOTSUPP where it is not among the security modules that were chosen at boot, and whatever an outer filter
// says.
func ABI() (int, error) {
	v, _, e := syscall.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return 0, e
	}
	return int(v), nil
}

// sizeofAttr is that of struct landlock_ruleset_attr in ABI 6. An older kernel takes it as long as what it does not
// know is zero (copy_struct_from_user).
const sizeofAttr = int(unsafe.Offsetof(unix.LandlockRulesetAttr{}.Quiet_access_fs))

// Restrict adds putting the caller, and all that it will start, under r, for good. It needs no_new_privs or CAP_SYS_ADMIN.
// Whatever r lets in must be mounted by then.
//
// Held finds a descriptor of what is at a rule's path, made by stage.List.NewSlot; it may find none, or be nil. Then the
// path is opened, and all is closed again; otherwise that is left to the caller. What fails belongs to the op that op says:
// op(-1) is the ruleset's, op(i) that of r.Rules[i].
func (r *Ruleset) Restrict(l *stage.List, held func(path string) (stage.Slot, bool), op func(rule int) int) {
	ruleset := l.NewSlot()
	attr := stage.Put(l, unix.LandlockRulesetAttr{Handled_access_fs: bits(r.ABI, nil), Scoped: scoped(r.Scopes)})
	l.Call(op(-1), unix.SYS_LANDLOCK_CREATE_RULESET, unsafe.Pointer(attr), sizeofAttr, 0).Into(ruleset)
	add := func(i int, fd stage.Slot) stage.Call {
		beneath := fd.Room() // and fd are a struct landlock_path_beneath_attr
		*beneath = bits(r.ABI, r.Rules[i].Rights)
		return l.Call(op(i), unix.SYS_LANDLOCK_ADD_RULE, ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(beneath), 0)
	}
	var how *unix.OpenHow
	for i := range r.Rules {
		rule := &r.Rules[i]
		if rule.Stream != "" {
			// It may be what no path leads to, as a memfd: that needs no rule, and gets none.
			add(i, l.NewSlotOf(descriptor(rule.Stream))).Tolerate(unix.EBADFD)
			continue
		}
		if held != nil {
			if fd, ok := held(rule.Path); ok {
				add(i, fd)
				continue
			}
		}
		if how == nil { // no link on the way is ours
			how = stage.Put(l, unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
		}
		fd := l.NewSlot()
		l.Call(op(i), unix.SYS_OPENAT2, unix.AT_FDCWD, rule.Path, unsafe.Pointer(how), int(unsafe.Sizeof(*how))).Into(fd)
		add(i, fd)
		if held == nil {
			l.Call(op(i), unix.SYS_CLOSE, fd)
		}
	}
	l.Call(op(-1), unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
	if held == nil {
		l.Call(op(-1), unix.SYS_CLOSE, ruleset)
	}
}

func descriptor(stream string) int32 {
	switch stream {
	case Stdout:
		return 1
	case Stderr:
		return 2
	}
	return 0
}
