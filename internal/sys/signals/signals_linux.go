// Package signals lets a process read its signals from a descriptor, as signalfd(2) does, but in a program of many
// threads:
//
//	c, err := signals.Catch(unix.SIGTERM, unix.SIGINT)
//	poll(c.FD()) … for sig, ok := c.Next(); ok; sig, ok = c.Next() { … }
//
// signalfd(2) reads only what is blocked in every thread, and Go's threads block nothing. Package os/signal starts two
// goroutines, and with them threads that wake one another about a hundred times: 0.5 ms and more for a program that
// lives for 5. Here a handler of a few instructions writes the number of the signal into a pipe, and nobody else is
// needed.
//
// Limits: the handlers are taken from the Go runtime, so a signal must not be given to os/signal as well. A child that
// is forked by hand has the same handlers and the same pipe until it executes a program.
package signals

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Caught are the signals of one Catch. A nil one has caught none.
type Caught struct {
	read int
	old  []saved
}

type saved struct {
	sig syscall.Signal
	act action
}

// action is struct sigaction as the kernel has it on amd64 and arm64 (not as the C library has it).
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	saRestorer = 0x04000000 // SA_RESTORER, which is not in package unix
	saOnstack  = 0x08000000 // Go's threads run on stacks too small for a handler
	saRestart  = 0x10000000
	sigIgnore  = 1 // SIG_IGN
)

// pipe is where handler writes to. 32 bits, so that it is read in one piece.
var pipe int32 = -1

// code tells where the handler is, and what returns from it. Both are assembly, as they run where there is no
// goroutine; a Go func value would lead to a wrapper that needs one.
func code() (handler, restorer uintptr)

// Catch begins to catch sigs. Those that are ignored, as nohup(1) ignores SIGHUP, stay so. It can be called once.
func Catch(sigs ...syscall.Signal) (*Caught, error) {
	if pipe >= 0 {
		panic("signals: Catch was called before")
	}
	var p [2]int
	// Non-blocking: where nobody reads, a handler must not wait.
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("cannot make a pipe for signals: %w", err)
	}
	pipe = int32(p[1])
	c := &Caught{read: p[0], old: make([]saved, 0, len(sigs)+1)}
	for _, sig := range sigs {
		c.Add(sig)
	}
	return c, nil
}

// Add catches one more signal, unless it is ignored.
func (c *Caught) Add(sig syscall.Signal) {
	if c == nil {
		return
	}
	var old action
	sigaction(sig, nil, &old)
	if old.handler == sigIgnore {
		return
	}
	c.old = append(c.old, saved{sig, old})
	handler, restorer := code()
	sigaction(sig, &action{handler, saRestorer | saOnstack | saRestart, restorer, ^uint64(0)}, nil)
}

// FD becomes readable when there is a signal. It is -1, which poll(2) passes over, where none can come.
func (c *Caught) FD() int {
	if c == nil {
		return -1
	}
	return c.read
}

// Next returns a signal that came, in the order in which they came. It does not wait; ok is false where there is none.
func (c *Caught) Next() (sig syscall.Signal, ok bool) {
	if c == nil {
		return 0, false
	}
	var n int32
	for {
		got, err := unix.Read(c.read, (*[4]byte)(unsafe.Pointer(&n))[:])
		if err == syscall.EINTR {
			continue
		}
		return syscall.Signal(n), got == 4
	}
}

// Release gives the signals back to whom they belonged.
func (c *Caught) Release() {
	if c == nil {
		return
	}
	for _, o := range c.old {
		sigaction(o.sig, &o.act, nil)
	}
	c.old = nil
}

func sigaction(sig syscall.Signal, act, old *action) {
	syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
}
