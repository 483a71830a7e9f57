package stage

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// init is the life of pid 1 once the program runs: it reaps orphans, passes signals on and ends as the program
// ends. When it ends, the kernel kills whatever is left in the pid namespace (pid_namespaces(7)).
//
// All signals are blocked here. That is not only for the signalfd: the kernel drops a signal for pid 1 that has
// no handler, unless it is blocked.
//
//go:nosplit
//go:norace
func (s *shared) init(program uintptr) {

	// Let go of everything, standard streams included: a pipe that the program closed must be closed. Only the
	// terminal stays open, for a master whose last slave was closed counts as hung up.
	ctl, sig := uintptr(s.ctl), uintptr(s.sigfd)
	keep := [3]uintptr{ctl, sig, sig}
	if s.hold != nil && *s.hold >= 0 {
		keep[2] = uintptr(*s.hold)
	}
	for i := range keep { // three numbers into order
		for j := i; j > 0 && keep[j] < keep[j-1]; j-- {
			keep[j], keep[j-1] = keep[j-1], keep[j]
		}
	}
	next := uintptr(0)
	for i := range keep {
		if keep[i] > next {
			closeRange(next, keep[i]-1)
		}
		next = keep[i] + 1
	}
	closeRange(next, ^uintptr(0)>>32)

	s.poll[0] = pollfd{fd: int32(ctl), events: unix.POLLIN}
	s.poll[1] = pollfd{fd: int32(sig), events: unix.POLLIN}
	for {
		_, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&s.poll)), 2, 0, 0, 0, 0)
		if e != 0 && e != unix.EINTR {
			exit(125)
		}
		// Our own signals first: a signal to the whole group must be known here before the supervisor's
		// copy of it arrives.
		s.takeSignals(program)
		if s.poll[0].revents != 0 {
			s.takeMessage(program)
		}
	}
}

//go:nosplit
//go:norace
func closeRange(first, last uintptr) {
	if first <= last {
		syscall.RawSyscall6(unix.SYS_CLOSE_RANGE, first, last, 0, 0, 0, 0)
	}
}

// takeSignals empties the signalfd.
//
//go:nosplit
//go:norace
func (s *shared) takeSignals(program uintptr) {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_READ, uintptr(s.sigfd), uintptr(unsafe.Pointer(&s.siginfo)), unsafe.Sizeof(s.siginfo), 0, 0, 0)
		if e != 0 || n == 0 {
			break
		}
		signo := *(*uint32)(unsafe.Pointer(&s.siginfo[0]))
		sender := *(*uint32)(unsafe.Pointer(&s.siginfo[12])) // ssi_pid, 0 where it is outside our pid namespace
		if sender == 0 && signo < uint32(len(s.seen)) {
			// From the terminal or to the whole process group: the program has its own copy.
			s.seen[signo] = s.clock()
		}
		// Whatever the program sends to pid 1 is ignored, as the kernel would do.
	}
	for {
		pid, _, e := syscall.RawSyscall6(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&s.status)), unix.WNOHANG|unix.WUNTRACED, 0, 0, 0)
		if e != 0 || pid == 0 {
			return
		}
		if pid != program {
			continue // an orphan, reaped
		}
		status := s.status
		if status&0xff == 0x7f {
			s.clock()
			s.out[0], s.out[1], s.out[2], s.out[3] = MsgStopped, status>>8&0xff, int32(s.now[0]), int32(s.now[1])
			s.send()
			continue
		}
		s.clear()
		s.out[0], s.out[1], s.out[2], s.out[3] = MsgExited, status, 0, 0
		s.send()
		if sig := status & 0x7f; sig != 0 {
			exit(uintptr(128 + sig))
		}
		exit(uintptr(status >> 8 & 0xff))
	}
}

// clear ends whatever the program has left behind, and reaps it, so that its supervisor need not wait for the end of
// pid 1: that takes as long as the program's mounts take to be undone, and all that matters has happened by then.
//
//go:nosplit
//go:norace
func (s *shared) clear() {
	// To all but pid 1 itself (kill(2)). What was about to fork while the kernel went through its list has a signal
	// pending, for which fork fails; so once is enough.
	syscall.RawSyscall6(unix.SYS_KILL, ^uintptr(0), uintptr(unix.SIGKILL), 0, 0, 0, 0)
	for {
		if _, _, e := syscall.RawSyscall6(unix.SYS_WAIT4, ^uintptr(0), 0, unix.WALL, 0, 0, 0); e != 0 && e != unix.EINTR {
			break // ECHILD
		}
	}
	syscall.RawSyscall6(unix.SYS_GETRUSAGE, ^uintptr(0), uintptr(unsafe.Pointer(&s.usage)), 0, 0, 0, 0) // RUSAGE_CHILDREN
}

// takeMessage does what the supervisor says.
//
//go:nosplit
//go:norace
func (s *shared) takeMessage(program uintptr) {
	n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.ctl), uintptr(unsafe.Pointer(&s.in)), unsafe.Sizeof(s.in), unix.MSG_DONTWAIT, 0, 0)
	if e == unix.EAGAIN || e == unix.EINTR {
		return
	}
	if e != 0 || n == 0 {
		exit(137) // the supervisor is gone, and so are we
	}
	switch s.in[0] {
	case MsgSignal:
		sig := s.in[1]
		if sig < 1 || sig > 64 {
			return
		}
		if !s.own {
			// We share a process group with our supervisor, which cannot tell a signal that was
			// meant for it from one that the whole group got. We can: ours came just before.
			s.takeSignals(program)
			if t := s.seen[sig]; t != 0 && s.clock()-t < 200e6 {
				s.seen[sig] = 0
				return
			}
		}
		syscall.RawSyscall6(unix.SYS_KILL, program, uintptr(sig), 0, 0, 0, 0)
	case MsgContinue:
		target := program
		if s.own {
			target = -program
		}
		syscall.RawSyscall6(unix.SYS_KILL, target, uintptr(unix.SIGCONT), 0, 0, 0, 0)
	}
}

// clock is the monotonic time in ns.
//
//go:nosplit
//go:norace
func (s *shared) clock() int64 {
	syscall.RawSyscall6(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&s.now)), 0, 0, 0, 0)
	return s.now[0]*1e9 + s.now[1]
}
