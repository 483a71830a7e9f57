package stage

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Slot holds what a call returned, such as a descriptor, for later calls.
type Slot struct{ v *int32 }

// NewSlot makes a Slot that holds nothing (-1).
func NewSlot() Slot {
	v := new(int32)
	*v = -1
	return Slot{v}
}

// SlotAt makes a Slot of v, so that a result lands inside a larger structure (the data of a cmsghdr, say).
func SlotAt(v *int32) Slot { return Slot{v} }

// pointer is the slot's own address, for calls that want to read or write it themselves.
func (s Slot) pointer() uintptr { return uintptr(unsafe.Pointer(s.v)) }

// PointerTo passes the address of a Slot rather than its value.
type PointerTo Slot

// call is one system call, with its arguments laid out.
type call struct {
	nr   uintptr
	arg  [6]uintptr
	into *int32   // where not nil, the result goes here
	op   int32    // what the call belongs to; the caller's number, only reported back
	ok   [3]int16 // errnos to tolerate
	from uint8    // bit i: argument i is the address of an int32, whose value is passed
	full bool     // a result of 0 is a failure too: the end of the conversation
}

// A List is a straight sequence of system calls.
type List struct {
	calls []call
	keep  []unsafe.Pointer // everything that arg points to
	ctl   Slot             // the stage's end of the conversation, known at Start
}

// A Call is a call in a List that can still be amended.
type Call struct {
	list *List
	at   int
}

// Call adds system call nr on behalf of op. Arguments are int, uint, uintptr and their kin, Slot (its value when
// the call is made), PointerTo, string (passed as a C string), []byte and pointers.
func (l *List) Call(op int, nr uintptr, args ...any) Call {
	c := call{nr: nr, op: int32(op)}
	for i, a := range args {
		switch a := a.(type) {
		case int:
			c.arg[i] = uintptr(a)
		case uint32:
			c.arg[i] = uintptr(a)
		case uint64:
			c.arg[i] = uintptr(a)
		case uintptr:
			c.arg[i] = a
		case Slot:
			c.arg[i], c.from = a.pointer(), c.from|1<<i
			l.keep = append(l.keep, unsafe.Pointer(a.v))
		case PointerTo:
			c.arg[i] = Slot(a).pointer()
			l.keep = append(l.keep, unsafe.Pointer(a.v))
		case string:
			b := append([]byte(a), 0)
			c.arg[i] = uintptr(unsafe.Pointer(&b[0]))
			l.keep = append(l.keep, unsafe.Pointer(&b[0]))
		case []byte:
			c.arg[i] = uintptr(unsafe.Pointer(unsafe.SliceData(a)))
			l.keep = append(l.keep, unsafe.Pointer(unsafe.SliceData(a)))
		case unsafe.Pointer:
			c.arg[i] = uintptr(a)
			l.keep = append(l.keep, a)
		case nil:
		default:
			panic(fmt.Sprintf("stage: cannot pass a %T to a system call", a))
		}
	}
	l.calls = append(l.calls, c)
	return Call{l, len(l.calls) - 1}
}

// Into stores the call's result.
func (c Call) Into(s Slot) Call {
	c.list.calls[c.at].into = s.v
	c.list.keep = append(c.list.keep, unsafe.Pointer(s.v))
	return c
}

// Tolerate lets the Script go on where the call fails with one of up to three errnos.
func (c Call) Tolerate(errnos ...syscall.Errno) Call {
	for i, e := range errnos {
		c.list.calls[c.at].ok[i] = int16(e)
	}
	return c
}

// Len is the number of calls.
func (l *List) Len() int { return len(l.calls) }

// WriteFile adds writing text into an existing file.
func (l *List) WriteFile(op int, path, text string) {
	fd := NewSlot()
	l.Call(op, unix.SYS_OPENAT, unix.AT_FDCWD, path, unix.O_WRONLY|unix.O_CLOEXEC, 0).Into(fd)
	l.Call(op, unix.SYS_WRITE, fd, text, len(text))
	l.Call(op, unix.SYS_CLOSE, fd)
}

// AppendAs adds the calls of other, all on behalf of op.
func (l *List) AppendAs(op int, other *List) {
	at := len(l.calls)
	l.Append(other)
	for i := range l.calls[at:] {
		l.calls[at+i].op = int32(op)
	}
}

// Append adds the calls of other.
func (l *List) Append(other *List) {
	l.calls = append(l.calls, other.calls...)
	l.keep = append(l.keep, other.keep...)
}

// A Script is everything the stage does, in order.
type Script struct {
	Setup   List // as pid 1, with all capabilities of the new user namespace at first
	Program List // in the program's process, before it is executed

	// Own says that the program has a process group of its own; otherwise it shares its supervisor's, and gets that
	// group's signals by itself.
	Own bool

	// Hold is a descriptor that pid 1 keeps open as long as it lives; the zero Slot is none.
	Hold Slot

	// Direct says that the forked child becomes the program itself after Setup, with nobody staying behind
	// as pid 1: for helpers that join a namespace.
	Direct bool

	flags  uintptr
	exec   []uintptr // candidates for the program, in order
	argv   []*byte
	envv   []*byte
	keep   []*byte
	ctl    Slot
	memory memory
}

// memory is what the stage writes to. It is allocated before the fork, because nothing can be after.
type memory struct {
	out     [4]int32 // a message to the supervisor
	in      [4]int32 // a message from it
	status  int32
	sigfd   int32
	poll    [2]pollfd
	siginfo [128]byte // struct signalfd_siginfo
	mask    uint64
	now     [2]int64   // struct timespec
	seen    [65]int64  // when each signal last came to our own group, in ns
	clone   [11]uint64 // struct clone_args
	pidfd   int32
}

type pollfd struct {
	fd      int32
	events  int16
	revents int16
}

// New makes a Script for a child cloned with the given CLONE_NEW* flags.
func New(flags uintptr) *Script {
	ctl := NewSlot()
	s := &Script{flags: flags, ctl: ctl, Setup: newList(ctl, 768), Program: newList(ctl, 16)}
	s.begin()
	return s
}

// newList makes a List with room for as many calls as are usual: to copy it when it grows costs more than the room.
func newList(ctl Slot, calls int) List {
	return List{ctl: ctl, calls: make([]call, 0, calls), keep: make([]unsafe.Pointer, 0, 2*calls)}
}

// Exec sets the program: the paths to try in order, and its arguments and environment.
func (s *Script) Exec(paths, argv, env []string) error {
	var err error
	if s.argv, err = syscall.SlicePtrFromStrings(argv); err != nil {
		return fmt.Errorf("cannot pass an argument that holds a zero byte")
	}
	if s.envv, err = syscall.SlicePtrFromStrings(env); err != nil {
		return fmt.Errorf("cannot pass an environment variable that holds a zero byte")
	}
	for _, p := range paths {
		b, err := syscall.BytePtrFromString(p)
		if err != nil {
			return fmt.Errorf("cannot run a path that holds a zero byte: %q", p)
		}
		s.keep = append(s.keep, b)
		s.exec = append(s.exec, uintptr(unsafe.Pointer(b)))
	}
	return nil
}
