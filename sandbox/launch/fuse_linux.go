package launch

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cove/internal/mount"
	"cove/internal/stage"
	"cove/sandbox"
	"cove/userns"
)

// fuseServer is a fuse-overlayfs that serves the home of one sandbox.
//
// It runs in namespaces of its own, in which the ids are those of the sandbox: the program cannot see it, signal it or
// read its memory, and it sees of the host what sandbox.ServerPlan shows. Its end of /dev/fuse comes from the stage,
// which has already mounted the file system: libfuse takes /dev/fd/N for a mount point to mean that.
type fuseServer struct {
	proc *stage.Process
	out  *os.File // what it prints, kept in memory
	done chan error
}

// serverSpaces are the server's namespaces: those that its own sandbox is made of, and of what it has no use for.
const serverSpaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET

// serveFuse starts fuse-overlayfs on dev, an opened /dev/fuse, for the sandbox. Where it ends before the sandbox does,
// the sandbox is killed: its home would hang.
func serveFuse(sandboxed *stage.Process, dev int, plan *sandbox.Plan, host sandbox.Host) (*fuseServer, error) {
	defer unix.Close(dev)
	v, bin := plan.Home.Server, host.Features.FuseOverlayBin
	if v == nil {
		return nil, fmt.Errorf("a FUSE file system that nobody serves: this is a bug in cove")
	}
	memfd, err := unix.MemfdCreate("fuse-overlayfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make a file in memory: %w", err)
	}
	out := os.NewFile(uintptr(memfd), "fuse-overlayfs's output")
	s, err := fuseScript(bin, dev, memfd, plan, host)
	if err != nil {
		return nil, err
	}
	proc, err := s.Start()
	if err != nil {
		return nil, fmt.Errorf("cannot start fuse-overlayfs: %w", err)
	}
	var failed error
	for {
		m, _, ok := proc.Hear() // the end of the conversation says that it was executed
		if !ok {
			break
		}
		switch m[0] {
		case stage.MsgMap:
			if failed = userns.Install(proc.PID, plan.IDs); failed != nil {
				proc.Kill()
				continue
			}
			proc.Tell(stage.MsgGo, 0)
		case stage.MsgFailed:
			failed = fmt.Errorf("cannot start fuse-overlayfs (%s): %w", bin, serverFailure(m, v))
		}
	}
	if failed != nil {
		proc.Wait()
		return nil, failed
	}
	f := &fuseServer{proc, out, make(chan error, 1)}
	go func() {
		ws, err := proc.Wait()
		if err == nil && ws.ExitStatus() != 0 {
			err = fmt.Errorf("fuse-overlayfs, which kept the copy of your home, %s: %s", ending(ws), f.printed())
			sandboxed.Kill()
		}
		f.done <- err
	}()
	return f, nil
}

// fuseScript lays out what becomes fuse-overlayfs.
func fuseScript(bin string, dev, out int, plan *sandbox.Plan, host sandbox.Host) (*stage.Script, error) {
	v := plan.Home.Server
	s, err := stage.New(serverSpaces)
	if err != nil {
		return nil, err
	}
	s.Direct = true
	l := &s.Setup
	// Standard input is /dev/fuse: a number that is free whatever else is open.
	for fd, from := range []int{dev, out, out} {
		l.Call(stepFuse, unix.SYS_DUP3, from, fd, 0)
	}
	l.CloseInherited(stepFuse)
	mapIDs(l, plan.IDs)
	builder := newBuilder(plan.Classic, host)
	builder.Gather(l, v.Ops)
	builder.Build(l, v.Ops)
	restrict(l, &v.Landlock, nil)

	l.CloseOnExec(stepFuse, 3)
	// It must not die of the signals that the terminal sends to our group.
	l.Call(stepFuse, unix.SYS_SETSID)
	// Its memory holds names and contents of the home, and a program can make it crash: no core. 1 byte, and not 0,
	// as with 0 one is still piped to who asks for it by core_pattern (do_coredump in the kernel). PR_SET_DUMPABLE
	// would not outlive execve(2).
	l.Call(stepFuse, unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CORE, unsafe.Pointer(stage.Put(l, unix.Rlimit{Cur: 1, Max: 1})), nil)
	setLimits(l, nil)
	dropRights(l, v.Caps)
	if err := filter(l, v.Seccomp); err != nil {
		return nil, err
	}
	return s, s.Exec([]string{bin}, []string{"fuse-overlayfs", "-f", "-o", v.Options, "/dev/fd/0"}, []string{"PATH=/usr/bin:/bin"})
}

// serverFailure is what the stage says of a server that could not be started.
func serverFailure(m stage.Message, v *sandbox.ServerPlan) error {
	op, errno := m[1], syscall.Errno(m[2])
	switch {
	case op == stage.OpExec:
		return errno
	case op >= 0 && int(op) < len(v.Ops):
		return &StepError{Op: &v.Ops[op], Errno: errno}
	}
	if err := ruleError(op, errno, v.Landlock.Rules); err != nil {
		return err
	}
	return &StepError{Step: stepNames[op], Errno: errno}
}

// ending is how a process ended, in words.
func ending(ws syscall.WaitStatus) string {
	if ws.Signaled() {
		return fmt.Sprintf("was ended by signal %d (%v)", ws.Signal(), ws.Signal())
	}
	return fmt.Sprintf("ended with status %d", ws.ExitStatus())
}

func fuseLayersOf(ops []mount.Op) *mount.Layers {
	for _, op := range ops {
		if op.Type == "fuse" {
			return op.Layers
		}
	}
	return nil
}

// printed is the end of what fuse-overlayfs had to say.
func (f *fuseServer) printed() string {
	b := make([]byte, 1000)
	end, _ := f.out.Seek(0, io.SeekEnd)
	n, _ := f.out.ReadAt(b, max(end-int64(len(b)), 0))
	if n == 0 {
		return "it printed nothing"
	}
	return strings.ReplaceAll(strings.TrimSpace(string(b[:n])), "\n", "; ")
}

// stop waits for it to end, as it does when the sandbox's mounts are gone: only then is all that the program wrote
// in the upper directory.
func (f *fuseServer) stop() error {
	defer f.out.Close()
	select {
	case err := <-f.done:
		return err
	case <-time.After(10 * time.Second):
		f.proc.Kill()
		<-f.done
		return fmt.Errorf("fuse-overlayfs did not end; what the program wrote last may be missing")
	}
}
