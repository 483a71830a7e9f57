package stage

import (
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Process is a stage that was started.
type Process struct {
	PID   int // on the host
	PIDFD int // poll(2)s as readable when it has ended

	ctl  int
	keep *Script
}

// clone3's arguments, by index into struct clone_args (clone(2)).
const (
	cloneFlags      = 0
	clonePidfd      = 1
	cloneExitSignal = 4
)

// Start forks the stage. The caller must be locked to its thread (runtime.LockOSThread) until the stage has
// ended, since it dies with that thread (PR_SET_PDEATHSIG is about threads, prctl(2)).
//
// An error is the errno of clone3(2): EPERM and ENOSPC say that user namespaces are refused or used up.
func (s *Script) Start() (*Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	*s.ctl.v = int32(pair[1])
	s.finish()

	m := &s.memory
	m.clone[cloneFlags] = uint64(s.flags) | unix.CLONE_PIDFD
	m.clone[clonePidfd] = uint64(uintptr(unsafe.Pointer(&m.pidfd)))
	m.clone[cloneExitSignal] = uint64(unix.SIGCHLD)

	syscall.ForkLock.Lock()
	pid, errno := s.fork()
	syscall.ForkLock.Unlock()
	runtime.KeepAlive(s)
	unix.Close(pair[1])
	if errno != 0 {
		unix.Close(pair[0])
		return nil, errno
	}
	return &Process{PID: int(pid), PIDFD: int(m.pidfd), ctl: pair[0], keep: s}, nil
}

// finish puts before and after Setup what every stage does.
func (s *Script) finish() {
	// First of all: to die with the supervisor. If it died before this line, the socket says so, as every
	// wait on it fails and init's first poll sees its end.
	first := List{ctl: s.ctl}
	first.Call(OpTalk, unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL), 0, 0, 0)
	first.Call(OpTalk, unix.SYS_PRCTL, unix.PR_SET_NAME, "cove-init", 0, 0, 0)
	first.Append(&s.Setup)
	s.Setup = first

	if s.Direct {
		return
	}
	m := &s.memory
	m.mask = ^uint64(0)
	mask := unsafe.Pointer(&m.mask)
	s.Setup.Call(OpFork, unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, mask, nil, int(unsafe.Sizeof(m.mask)))
	s.Setup.Call(OpFork, unix.SYS_SIGNALFD4, -1, mask, int(unsafe.Sizeof(m.mask)), unix.SFD_CLOEXEC|unix.SFD_NONBLOCK).
		Into(SlotAt(&m.sigfd))
	// Our memory is a copy of the supervisor's: nobody inside may read it, by ptrace(2) or /proc/1/mem
	// (CVE-2026-41163 is what happens to those who forget).
	s.Setup.Call(OpFork, unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// Kill ends the sandbox at once.
func (p *Process) Kill() error { return unix.PidfdSendSignal(p.PIDFD, unix.SIGKILL, nil, 0) }

// Wait waits for the stage to end, and tells what it and everything that it waited for used.
func (p *Process) Wait() (syscall.WaitStatus, syscall.Rusage, error) {
	var ws syscall.WaitStatus
	var ru syscall.Rusage
	for {
		_, err := syscall.Wait4(p.PID, &ws, 0, &ru)
		if err == syscall.EINTR {
			continue
		}
		unix.Close(p.ctl)
		unix.Close(p.PIDFD)
		return ws, ru, err
	}
}

// Unblock adds letting all signals through again. pid 1 blocks them, and a blocked mask survives execve(2).
func (l *List) Unblock(op int) {
	l.Call(op, unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, unsafe.Pointer(new(uint64)), nil, 8)
}

// CloseOnExec adds marking all descriptors from first on, so that the program does not inherit them.
func (l *List) CloseOnExec(op, first int) {
	l.Call(op, unix.SYS_CLOSE_RANGE, first, ^uint32(0), int(unix.CLOSE_RANGE_CLOEXEC))
}
