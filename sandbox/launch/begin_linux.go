package launch

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"cove/internal/mount"
	"cove/internal/stage"
	"cove/internal/sys/early"
	"cove/sandbox"
)

// A Stage is pid 1 of a sandbox that is not planned yet. It makes its namespaces, and the file systems that every sandbox
// has, while the host is probed and the plan made: the kernel takes as long for an empty network as for thirty mounts.
type Stage struct {
	script *stage.Script
	proc   *stage.Process
	err    error
	net    bool // it has a network namespace of its own
	stock  *mount.NewAPI
}

// ownNet tells whether spec wishes for a network namespace. It is all that a stage must know to begin.
func ownNet(spec sandbox.Spec) bool { return spec.Net.Or(sandbox.NetNone) != sandbox.NetHost }

// Begin forks the stage of a sandbox that spec wishes for, as far as is known yet. Its plan is carried out by Run, which
// must be called by the same goroutine, and says what is wrong, if something is. If it is not called, the stage ends with
// this process, or by Abandon.
func Begin(spec sandbox.Spec) *Stage {
	s := &Stage{net: ownNet(spec)}
	if s.script, s.err = stage.New(unix.CLONE_NEWUSER | unix.CLONE_NEWPID); s.err != nil {
		return s
	}
	flags := unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if s.net {
		flags |= unix.CLONE_NEWNET
	}
	s.script.First.CloseInherited(stepNamespaces)
	s.script.First.Call(stepNamespaces, unix.SYS_UNSHARE, flags)
	if s.net {
		loopback(&s.script.First)
	}
	if newMountAPI().OK && mountSetattr().OK {
		s.stock = &mount.NewAPI{Thrifty: early.NoFile.Max < plenty}
		s.stock.Stock(&s.script.First, stepStock, sandbox.Stock())
	}
	s.proc, s.err = s.script.Fork()
	var errno syscall.Errno
	if errors.As(s.err, &errno) {
		s.err = &CloneError{errno, cloneHint(errno)}
	}
	return s
}

// plenty is how many descriptors must be allowed so that a stage need not close them one by one: more than the steps of
// any plan open.
const plenty = 4096

// Abandon ends a stage that was not used.
func (s *Stage) Abandon() {
	if s != nil && s.proc != nil {
		s.proc.Kill()
		s.proc.Wait()
		s.proc = nil
	}
}
