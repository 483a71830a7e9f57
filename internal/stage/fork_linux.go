package stage

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Go keeps these three for gVisor and others ("hall of shame" in runtime/proc.go): they block signals around a
// fork, and in the child put their handlers back to the default.

//go:linkname runtime_BeforeFork syscall.runtime_BeforeFork
func runtime_BeforeFork()

//go:linkname runtime_AfterFork syscall.runtime_AfterFork
func runtime_AfterFork()

//go:linkname runtime_AfterForkInChild syscall.runtime_AfterForkInChild
func runtime_AfterForkInChild()

// vfork makes the program's process, which runs in our memory while we wait until it executes the program or ends: to
// copy a Go process's page tables once more, and throw them away, would take as long as ten mounts. It is the assembly
// of syscall.rawVforkSyscall, for the reason that stands there: the child returns from it first, and then writes
// over the stack where the way back was. Callers must be ready to have their frame changed by the child.
//
//go:noescape
func vfork() (pid, errno uintptr)

// fork clones the stage, which performs s and never returns. In the parent it returns the child's pid.
//
// It is one function on purpose. The child runs on a copy of this goroutine's stack, in which the prologue made
// sure of room for this frame; everything it calls is nosplit. It must not allocate, take a lock, or write a
// pointer into the heap (the garbage collector may have been at work when the world was copied).
//
// A plain clone, without CLONE_VM: the stage and its supervisor go on side by side, and neither sees what the other
// writes, but for s.
//
//go:noinline
//go:norace
//go:nocheckptr
func (s *shared) fork() (pid uintptr, err syscall.Errno) {
	runtime_BeforeFork()
	pid, _, err = syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&s.clone)), unsafe.Sizeof(s.clone), 0, 0, 0, 0)
	if err == unix.ENOSYS {
		// An outer seccomp filter, as Docker's, cannot look into clone3's arguments and says ENOSYS.
		// CLONE_PIDFD stores into the parent's tid.
		pid, _, err = syscall.RawSyscall6(unix.SYS_CLONE, uintptr(s.clone[cloneFlags])|uintptr(unix.SIGCHLD), 0,
			uintptr(unsafe.Pointer(&s.pidfd)), 0, 0, 0)
	}
	if err != 0 || pid != 0 {
		runtime_AfterFork()
		return pid, err
	}

	// The child, pid 1 of the new namespaces.
	runtime_AfterForkInChild()
	s.performAll(&s.first)
	if s.ready == 0 && !s.await() {
		exit(125)
	}
	s.performAll(&s.setup)

	var program uintptr
	if !s.direct {
		var e uintptr
		if program, e = vfork(); e != 0 {
			s.fail(OpFork, syscall.Errno(e))
		}
	}
	if program == 0 {
		s.performAll(&s.program)
		// As execvp(3): a name that is there but may not be executed is only the answer where no later
		// directory of PATH has a better one.
		last := unix.ENOENT
		for i := range s.exec.n {
			path := *(*uintptr)(unsafe.Add(s.exec.first, uintptr(i)*unsafe.Sizeof(uintptr(0))))
			_, _, e := syscall.RawSyscall6(unix.SYS_EXECVE, path, uintptr(unsafe.Pointer(s.argv)), uintptr(unsafe.Pointer(s.envv)), 0, 0, 0)
			if e == unix.ENOENT || e == unix.ENOTDIR {
				continue
			}
			last = e
			if e != unix.EACCES {
				break
			}
		}
		s.fail(OpExec, last)
	}
	s.init(program)
	return 0, 0 // not reached
}

// performAll makes all calls of a list, or ends the process.
//
//go:nosplit
//go:norace
func (s *shared) performAll(l *list) {
	for i := range l.n {
		c := (*call)(unsafe.Add(l.first, uintptr(i)*unsafe.Sizeof(call{})))
		if e := perform(c); e != 0 {
			s.fail(c.op, e)
		}
	}
}

// await waits until the script is whole. It is not where the supervisor is gone.
//
//go:nosplit
//go:norace
func (s *shared) await() bool {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.ctl), uintptr(unsafe.Pointer(&s.in)), unsafe.Sizeof(s.in), 0, 0, 0)
		switch {
		case e == unix.EINTR:
		case e != 0 || n == 0:
			return false
		case s.in[0] == MsgPerform:
			return true
		}
	}
}

// perform makes one call. It returns the errno where that is not tolerated.
//
//go:nosplit
//go:norace
func perform(c *call) syscall.Errno {
	a := c.arg
	for i := range a {
		if c.from&(1<<i) != 0 {
			a[i] = uintptr(**(**int32)(unsafe.Pointer(&a[i])))
		}
	}
	for {
		r, _, e := syscall.RawSyscall6(c.nr, a[0], a[1], a[2], a[3], a[4], a[5])
		if e == unix.EINTR {
			continue
		}
		if e == 0 && c.full && r == 0 {
			e = unix.EPIPE // the supervisor is gone
		}
		if e == 0 {
			if c.into != nil {
				*c.into = int32(r)
			}
			return 0
		}
		for i := range c.ok {
			if syscall.Errno(c.ok[i]) == e {
				return 0
			}
		}
		return e
	}
}

// fail tells the supervisor what could not be done, and ends this process.
//
//go:nosplit
//go:norace
func (s *shared) fail(op int32, e syscall.Errno) {
	s.out[0], s.out[1], s.out[2], s.out[3] = MsgFailed, op, int32(e), 0
	s.send()
	exit(125)
}

//go:nosplit
//go:norace
func (s *shared) send() {
	syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(s.ctl), uintptr(unsafe.Pointer(&s.out)),
		unsafe.Sizeof(s.out), unix.MSG_NOSIGNAL, 0, 0)
}

//go:nosplit
//go:norace
func exit(code uintptr) {
	for {
		syscall.RawSyscall6(unix.SYS_EXIT_GROUP, code, 0, 0, 0, 0, 0)
	}
}
