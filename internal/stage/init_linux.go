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
func (s *Script) init(program uintptr) {
	m := &s.memory

	// Let go of everything, standard streams included: a pipe that the program closed must be closed. Only the
	// terminal stays open, for a master whose last slave was closed counts as hung up.
	ctl, sig := uintptr(*s.ctl.v), uintptr(m.sigfd)
	keep := [3]uintptr{ctl, sig, sig}
	if s.Hold.v != nil && *s.Hold.v >= 0 {
		keep[2] = uintptr(*s.Hold.v)
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

	m.poll[0] = pollfd{fd: int32(ctl), events: unix.POLLIN}
	m.poll[1] = pollfd{fd: int32(sig), events: unix.POLLIN}
	for {
		_, _, e := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&m.poll)), 2, 0, 0, 0, 0)
		if e != 0 && e != unix.EINTR {
			exit(125)
		}
		// Our own signals first: a signal to the whole group must be known here before the supervisor's
		// copy of it arrives.
		s.takeSignals(program)
		if m.poll[0].revents != 0 {
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
func (s *Script) takeSignals(program uintptr) {
	m := &s.memory
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_READ, uintptr(m.sigfd), uintptr(unsafe.Pointer(&m.siginfo)), unsafe.Sizeof(m.siginfo), 0, 0, 0)
		if e != 0 || n == 0 {
			break
		}
		signo := *(*uint32)(unsafe.Pointer(&m.siginfo[0]))
		sender := *(*uint32)(unsafe.Pointer(&m.siginfo[12])) // ssi_pid, 0 where it is outside our pid namespace
		if sender == 0 && signo < uint32(len(m.seen)) {
			// From the terminal or to the whole process group: the program has its own copy.
			m.seen[signo] = s.clock()
		}
		// Whatever the program sends to pid 1 is ignored, as the kernel would do.
	}
	for {
		pid, _, e := syscall.RawSyscall6(unix.SYS_WAIT4, ^uintptr(0), uintptr(unsafe.Pointer(&m.status)), unix.WNOHANG|unix.WUNTRACED, 0, 0, 0)
		if e != 0 || pid == 0 {
			return
		}
		if pid != program {
			continue // an orphan, reaped
		}
		status := m.status
		if status&0xff == 0x7f {
			s.clock()
			m.out[0], m.out[1], m.out[2], m.out[3] = MsgStopped, status>>8&0xff, int32(m.now[0]), int32(m.now[1])
			s.send()
			continue
		}
		m.out[0], m.out[1], m.out[2], m.out[3] = MsgExited, status, 0, 0
		s.send()
		if sig := status & 0x7f; sig != 0 {
			exit(uintptr(128 + sig))
		}
		exit(uintptr(status >> 8 & 0xff))
	}
}

// takeMessage does what the supervisor says.
//
//go:nosplit
//go:norace
func (s *Script) takeMessage(program uintptr) {
	m := &s.memory
	n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(*s.ctl.v), uintptr(unsafe.Pointer(&m.in)), unsafe.Sizeof(m.in), unix.MSG_DONTWAIT, 0, 0)
	if e == unix.EAGAIN || e == unix.EINTR {
		return
	}
	if e != 0 || n == 0 {
		exit(137) // the supervisor is gone, and so are we
	}
	switch m.in[0] {
	case MsgSignal:
		sig := m.in[1]
		if sig < 1 || sig > 64 {
			return
		}
		if !s.Own {
			// We share a process group with our supervisor, which cannot tell a signal that was
			// meant for it from one that the whole group got. We can: ours came just before.
			s.takeSignals(program)
			if t := m.seen[sig]; t != 0 && s.clock()-t < 200e6 {
				m.seen[sig] = 0
				return
			}
		}
		syscall.RawSyscall6(unix.SYS_KILL, program, uintptr(sig), 0, 0, 0, 0)
	case MsgContinue:
		target := program
		if s.Own {
			target = -program
		}
		syscall.RawSyscall6(unix.SYS_KILL, target, uintptr(unix.SIGCONT), 0, 0, 0, 0)
	}
}

// clock is the monotonic time in ns.
//
//go:nosplit
//go:norace
func (s *Script) clock() int64 {
	m := &s.memory
	syscall.RawSyscall6(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&m.now)), 0, 0, 0, 0)
	return m.now[0]*1e9 + m.now[1]
}
