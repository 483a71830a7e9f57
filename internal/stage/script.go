package stage

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Slot holds what a call returned, such as a descriptor, for later calls.
type Slot struct{ v *int32 }

// NewSlot makes a Slot that holds nothing (-1).
func (l *List) NewSlot() Slot { return l.NewSlotOf(-1) }

// NewSlotOf makes a Slot that holds v.
func (l *List) NewSlotOf(v int32) Slot { return Slot{&Put(l, roomy{v: v}).v} }

// roomy is a Slot with room before it.
type roomy struct {
	room uint64
	v    int32
}

// Room is the eight bytes before a Slot that NewSlot made. Some calls take a descriptor at the end of a structure (struct
// landlock_path_beneath_attr): what stands before it in there is put here, and Room passed.
func (s Slot) Room() *uint64 {
	return &(*roomy)(unsafe.Add(unsafe.Pointer(s.v), -int(unsafe.Offsetof(roomy{}.v)))).room
}

// SlotAt makes a Slot of v, so that a result lands inside a larger structure (the data of a cmsghdr, say).
func SlotAt(v *int32) Slot { return Slot{v} }

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
	calls []call // in the arena
	arena *arena
	ctl   Slot // the stage's end of the conversation, known when it is forked
}

// NewList makes an empty List, for its calls to be added to another. (Or to be dropped.)
func (l *List) NewList() *List { return &List{arena: l.arena, ctl: l.ctl} }

// grow makes room for n calls more.
func (l *List) grow(n int) {
	if len(l.calls)+n <= cap(l.calls) {
		return
	}
	room := max(2*cap(l.calls), len(l.calls)+n, 16)
	old := l.calls
	l.calls = unsafe.Slice((*call)(l.arena.alloc(uintptr(room)*unsafe.Sizeof(call{}), unsafe.Alignof(call{}))), room)[:len(old)]
	copy(l.calls, old)
}

// A Call is a call in a List that can still be amended.
type Call struct {
	list *List
	at   int
}

// Call adds system call nr on behalf of op. Arguments are int, uint, uintptr and their kin, Slot (its value when
// the call is made), PointerTo, string (passed as a C string), []byte, and pointers that Put returned.
func (l *List) Call(op int, nr uintptr, args ...any) Call {
	l.grow(1)
	l.calls = l.calls[:len(l.calls)+1]
	c := &l.calls[len(l.calls)-1]
	*c = call{nr: nr, op: int32(op)}
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
			c.arg[i], c.from = uintptr(unsafe.Pointer(a.v)), c.from|1<<i
		case PointerTo:
			c.arg[i] = uintptr(unsafe.Pointer(a.v))
		case string:
			c.arg[i] = uintptr(unsafe.Pointer(l.arena.cstring(a)))
		case []byte:
			c.arg[i] = uintptr(unsafe.Pointer(l.arena.bytes(a)))
		case unsafe.Pointer:
			if !l.arena.holds(a) {
				panic("stage: a pointer to memory that the stage does not see; use Put")
			}
			c.arg[i] = uintptr(a)
		case nil:
		default:
			panic(fmt.Sprintf("stage: cannot pass a %T to a system call", a))
		}
	}
	return Call{l, len(l.calls) - 1}
}

// Into stores the call's result.
func (c Call) Into(s Slot) Call {
	c.list.calls[c.at].into = s.v
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
	fd := l.NewSlot()
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
	l.grow(len(other.calls))
	l.calls = append(l.calls, other.calls...)
}

// A Script is everything the stage does, in order.
type Script struct {
	First   List // at once, while the rest is perhaps still being laid out
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

	arena *arena
	*shared
}

// shared is what the stage knows, and what it writes to. It lies in the arena, as does all that it points to.
type shared struct {
	ready int32 // the script is whole: do not wait for MsgPerform

	first, setup, program list
	exec                  list // of *byte: candidates for the program, in order
	argv, envv            *[1 << 20]*byte
	ctl                   int32
	hold                  *int32
	own, direct           bool

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
	usage   syscall.Rusage // of all that ran in the sandbox, set before MsgExited
}

// list is a slice, in memory that Go does not know.
type list struct {
	first unsafe.Pointer
	n     int
}

type pollfd struct {
	fd      int32
	events  int16
	revents int16
}

// New makes a Script for a child cloned with the given CLONE_NEW* flags.
func New(flags uintptr) (*Script, error) {
	a, err := newArena()
	if err != nil {
		return nil, err
	}
	s := &Script{arena: a, shared: put(a, shared{})}
	s.clone[cloneFlags] = uint64(flags)
	ctl := Slot{&s.ctl}
	s.First, s.Setup, s.Program = List{arena: a, ctl: ctl}, List{arena: a, ctl: ctl}, List{arena: a, ctl: ctl}
	s.begin()
	s.Setup.grow(usual)
	return s, nil
}

// usual is how many calls a sandbox takes: to copy them when there is no room costs more than the room.
const usual = 512

// Exec sets the program: the paths to try in order, and its arguments and environment.
func (s *Script) Exec(paths, argv, env []string) (err error) {
	defer func() {
		switch bug := recover(); bug.(type) {
		case nil:
		case tooLarge:
			err = fmt.Errorf("cannot pass so many arguments and environment variables: %w", syscall.E2BIG)
		default:
			panic(bug)
		}
	}()
	if s.argv, err = s.strings(argv); err != nil {
		return fmt.Errorf("cannot pass an argument that holds a zero byte")
	}
	if s.envv, err = s.strings(env); err != nil {
		return fmt.Errorf("cannot pass an environment variable that holds a zero byte")
	}
	all, err := s.strings(paths)
	if err != nil {
		return fmt.Errorf("cannot run a path that holds a zero byte: %q", paths)
	}
	s.exec = list{unsafe.Pointer(all), len(paths)}
	return nil
}

// strings lays out a null-terminated array of C strings.
func (s *Script) strings(all []string) (*[1 << 20]*byte, error) {
	first := s.arena.alloc(uintptr(len(all)+1)*unsafe.Sizeof(uintptr(0)), unsafe.Alignof(uintptr(0)))
	array := unsafe.Slice((**byte)(first), len(all)+1)
	for i, text := range all {
		if strings.IndexByte(text, 0) >= 0 {
			return nil, syscall.EINVAL
		}
		array[i] = s.arena.cstring(text)
	}
	return (*[1 << 20]*byte)(first), nil
}
