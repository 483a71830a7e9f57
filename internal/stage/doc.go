// Package stage is the part of cove that runs inside the new namespaces before the program does, and that
// stays there as pid 1.
//
//	s := stage.New(unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS)
//	s.Setup.Call(0, unix.SYS_SETHOSTNAME, "box", 3)
//	s.Exec("/bin/true")
//	proc, err := s.Start()
//
// Go cannot unshare(2) a user namespace: the kernel refuses callers with threads. The usual way round is to
// start oneself again, which costs a second start of the Go runtime. The stage is forked instead, as
// syscall.forkAndExecInChild does it: the parent lays a Script out in memory, a flat list of system calls with
// their arguments; the child performs it between runtime_BeforeFork and execve, and never returns to Go.
//
// Should:
//   - perform every call in order and report the first that fails, as {op, errno}
//   - start the program, reap orphans, pass signals on, exit as the program exits
//   - die with its supervisor, and take everything inside along
//
// Mustn't:
//   - decide anything: no flags, no environment, no files are consulted
//   - allocate, grow its stack, take a lock, write a Go pointer or call anything that might: after fork(2) in
//     a process with threads, the heap and its locks are as they happened to be
//   - know what a Spec, a Plan or an Op is
//
// Limits: Linux only; amd64 and arm64, as the raw clone(2) below has its arguments in either order but zero.
// The stage shares the memory of its supervisor copy-on-write, secrets in the environment included, which is
// why it makes itself undumpable before the program exists.
package stage
