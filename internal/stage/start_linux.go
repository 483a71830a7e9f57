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

	ctl    int
	script *Script // nil after Wait
	usage  syscall.Rusage
	locked bool // to the thread that forked it
}

// clone3's arguments, by index into struct clone_args (clone(2)).
const (
	cloneFlags      = 0
	clonePidfd      = 1
	cloneExitSignal = 4
)

// Fork forks the stage, which makes the calls of First and then waits for Perform. The stage dies with the thread that
// forked it (PR_SET_PDEATHSIG is about threads, prctl(2)). Go ends threads only with a goroutine that is locked to one, and
// never the main thread; so on any other, the calling goroutine is locked to it until Wait. (Not on all: for the first
// lock Go starts a thread, which takes 0.1 ms.)
//
// An error is the errno of clone3(2): EPERM and ENOSPC say that user namespaces are refused or used up.
func (s *Script) Fork() (*Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	s.ctl = int32(pair[1])
	s.first = s.First.list()
	s.clone[cloneFlags] |= unix.CLONE_PIDFD
	s.clone[clonePidfd] = uint64(uintptr(unsafe.Pointer(&s.pidfd)))
	s.clone[cloneExitSignal] = uint64(unix.SIGCHLD)

	syscall.ForkLock.Lock()
	pid, errno := s.fork()
	syscall.ForkLock.Unlock()
	unix.Close(pair[1])
	if errno != 0 {
		unix.Close(pair[0])
		return nil, errno
	}
	locked := unix.Gettid() != unix.Getpid()
	if locked {
		runtime.LockOSThread()
	}
	return &Process{locked: locked, PID: int(pid), PIDFD: int(s.pidfd), ctl: pair[0], script: s}, nil
}

// Perform lets a forked stage go on with the rest of its script, which is complete and must not be changed any more.
// Whether that works is heard from it.
func (p *Process) Perform() {
	p.script.seal()
	p.Tell(MsgPerform, 0)
}

// Start forks the stage, to perform the whole script at once.
func (s *Script) Start() (*Process, error) {
	s.seal()
	s.ready = 1
	return s.Fork()
}

// seal writes down, where the stage looks for it, what was said of the script.
func (s *Script) seal() {
	if !s.Direct {
		s.finish()
	}
	s.setup, s.program = s.Setup.list(), s.Program.list()
	s.own, s.direct, s.hold = s.Own, s.Direct, s.Hold.v
}

func (l *List) list() list { return list{unsafe.Pointer(unsafe.SliceData(l.calls)), len(l.calls)} }

// begin adds to First what every stage does first.
func (s *Script) begin() {
	// First of all: to die with the supervisor. If it died before this line, the socket says so, as every
	// wait on it fails and init's first poll sees its end.
	s.First.Call(OpTalk, unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL), 0, 0, 0)
	s.First.Call(OpTalk, unix.SYS_PRCTL, unix.PR_SET_NAME, InitName, 0, 0, 0)
	if s.clone[cloneFlags]&unix.CLONE_NEWPID != 0 {
		s.retitle(&s.First)
	}
}

// finish adds to Setup what every stage with a program does last.
func (s *Script) finish() {
	s.mask = ^uint64(0)
	mask := unsafe.Pointer(&s.mask)
	s.Setup.Call(OpFork, unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, mask, nil, int(unsafe.Sizeof(s.mask)))
	s.Setup.Call(OpFork, unix.SYS_SIGNALFD4, -1, mask, int(unsafe.Sizeof(s.mask)), unix.SFD_CLOEXEC|unix.SFD_NONBLOCK).
		Into(SlotAt(&s.sigfd))
	// Our memory is a copy of the supervisor's: nobody inside may read it, by ptrace(2) or /proc/1/mem
	// (CVE-2026-41163 is what happens to those who forget).
	s.Setup.Call(OpFork, unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// InitName is what ps(1) shows, and /proc/1/comm inside. "cove" is not in it, so that who ends cove by name, as pkill(1) does, reaches the
// supervisor alone: a signal that both get is taken for one that the program got, too (init_linux.go).
const InitName = "box-init"

// retitle adds putting InitName in the place of the command line that the stage has from its supervisor. For the
// same reason; and because everybody inside can read /proc/1/cmdline, where values of --env and paths of the host
// would stand.
func (s *Script) retitle(l *List) {
	// Go's os.Args are the very bytes that the kernel has the command line in (runtime.goargs).
	first, n := argvArea(os.Args)
	if n == 0 {
		return
	}
	title := unsafe.Slice((*byte)(l.arena.alloc(uintptr(n), 1)), n)
	copy(title, InitName)
	title[n-1] = 0 // or the kernel goes on into the environment
	local, remote := Put(l, unix.Iovec{Base: first}), Put(l, unix.Iovec{Base: &title[0]})
	local.SetLen(n)
	remote.SetLen(n)
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

// Usage is what everything used that ran in the sandbox. It is known when MsgExited was heard, or after Wait.
func (p *Process) Usage() syscall.Rusage {
	if p.script != nil {
		return p.script.usage
	}
	return p.usage
}

// Wait waits for the stage to end. The goroutine that forked it must call it, once, unless the whole process ends after
// MsgExited: then there is nobody left in the sandbox but pid 1 on its way out, and its mounts.
func (p *Process) Wait() (syscall.WaitStatus, error) {
	if p.locked {
		defer runtime.UnlockOSThread()
	}
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.PID, &ws, 0, &p.usage)
		if err == syscall.EINTR {
			continue
		}
		unix.Close(p.ctl)
		unix.Close(p.PIDFD)
		if !ws.Signaled() {
			p.usage = p.script.usage
		}
		p.script.arena.free()
		p.script = nil
		return ws, err
	}
}

// Unblock adds letting all signals through again. pid 1 blocks them, and a blocked mask survives execve(2).
func (l *List) Unblock(op int) {
	l.Call(op, unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, unsafe.Pointer(Put(l, uint64(0))), nil, 8)
}

// CloseInherited adds closing every descriptor but the standard streams and the stage's own, which becomes 3. What was
// inherited from who started the supervisor can be anything, of any number; after this, new ones are the lowest.
func (l *List) CloseInherited(op int) {
	l.Call(op, unix.SYS_DUP3, l.ctl, 3, unix.O_CLOEXEC).Into(l.ctl).Tolerate(unix.EINVAL) // it is 3
	l.Call(op, unix.SYS_CLOSE_RANGE, 4, ^uint32(0), 0)
}

// CloseOnExec adds marking all descriptors from first on, so that the program does not inherit them.
func (l *List) CloseOnExec(op, first int) {
	l.Call(op, unix.SYS_CLOSE_RANGE, first, ^uint32(0), int(unix.CLOSE_RANGE_CLOEXEC))
}
