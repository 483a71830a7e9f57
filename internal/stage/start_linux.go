package stage

import (
	"fmt"
	"os"
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

// Start forks the stage, and locks the calling goroutine to its thread until Wait: the stage dies with the thread that
// forked it (PR_SET_PDEATHSIG is about threads, prctl(2)). The lock comes after the fork, beside which it costs nothing,
// as Go starts a thread for it; a thread ends only with a goroutine that is locked to it.
//
// An error is the errno of clone3(2): EPERM and ENOSPC say that user namespaces are refused or used up.
func (s *Script) Start() (*Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	*s.ctl.v = int32(pair[1])
	if !s.Direct {
		s.finish()
	}
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
	runtime.LockOSThread()
	return &Process{PID: int(pid), PIDFD: int(m.pidfd), ctl: pair[0], keep: s}, nil
}

// begin adds to Setup what every stage does first.
func (s *Script) begin() {
	// First of all: to die with the supervisor. If it died before this line, the socket says so, as every
	// wait on it fails and init's first poll sees its end.
	s.Setup.Call(OpTalk, unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL), 0, 0, 0)
	s.Setup.Call(OpTalk, unix.SYS_PRCTL, unix.PR_SET_NAME, initName, 0, 0, 0)
	if s.flags&unix.CLONE_NEWPID != 0 {
		s.retitle(&s.Setup)
	}
}

// finish adds to Setup what every stage with a program does last.
func (s *Script) finish() {
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

// initName is what ps(1) shows. "cove" is not in it, so that who ends cove by name, as pkill(1) does, reaches the
// supervisor alone: a signal that both get is taken for one that the program got, too (init_linux.go).
const initName = "box-init"

// retitle adds putting initName in the place of the command line that the stage has from its supervisor. For the
// same reason; and because everybody inside can read /proc/1/cmdline, where values of --env and paths of the host
// would stand.
func (s *Script) retitle(l *List) {
	// Go's os.Args are the very bytes that the kernel has the command line in (runtime.goargs).
	first, n := argvArea(os.Args)
	if n == 0 {
		return
	}
	title := make([]byte, n)
	copy(title, initName)
	title[n-1] = 0 // or the kernel goes on into the environment
	local, remote := &unix.Iovec{Base: first}, &unix.Iovec{Base: &title[0]}
	local.SetLen(n)
	remote.SetLen(n)
	l.keep = append(l.keep, unsafe.Pointer(&title[0]), unsafe.Pointer(remote))
	// A system call and not a loop, so that memory that cannot be written is an error and no crash. 1 is the stage.
	l.Call(OpTalk, unix.SYS_PROCESS_VM_READV, 1, unsafe.Pointer(local), 1, unsafe.Pointer(remote), 1, 0).
		Tolerate(unix.EFAULT, unix.ENOSYS, unix.EPERM)
}

// argvArea is where args lie in memory, as the kernel laid them out: one after the other, each with a zero byte.
func argvArea(args []string) (first *byte, n int) {
	for _, a := range args {
		at := unsafe.StringData(a)
		if first == nil {
			first = at
		} else if uintptr(unsafe.Pointer(at)) != uintptr(unsafe.Pointer(first))+uintptr(n) {
			return nil, 0 // somebody put other strings there
		}
		n += len(a) + 1
	}
	return first, n
}

// Kill ends the sandbox at once.
func (p *Process) Kill() error { return unix.PidfdSendSignal(p.PIDFD, unix.SIGKILL, nil, 0) }

// Wait waits for the stage to end, and tells what it and everything that it waited for used. The goroutine that
// called Start must call it, once.
func (p *Process) Wait() (syscall.WaitStatus, syscall.Rusage, error) {
	defer runtime.UnlockOSThread()
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
