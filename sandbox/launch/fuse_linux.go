package launch

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/mount"
	"cove/internal/stage"
	"cove/sandbox"
)

// fuseServer is a fuse-overlayfs that serves the home of one sandbox.
//
// It runs in the sandbox's user namespace, so that it may do with files what the sandbox's pid 1 might, but in the
// host's other namespaces: the program cannot see it, signal it or read its memory, in which lies the way to the
// real home. Its end of /dev/fuse comes from the stage, which has already mounted the file system: libfuse takes
// /dev/fd/N for a mount point to mean that.
type fuseServer struct {
	proc *stage.Process
	out  *os.File // what it prints, kept in memory
	done chan error
}

// Descriptors of fuse-overlayfs, known by number as they are part of its arguments.
const (
	fuseLayers = 100
	fuseDevice = 99
)

// serveFuse starts fuse-overlayfs on dev, an opened /dev/fuse, for the sandbox whose pid 1 is pid. Where it ends
// before the sandbox does, the sandbox is killed: its home would hang.
func serveFuse(bin string, sandboxed *stage.Process, dev int, plan *sandbox.Plan) (*fuseServer, error) {
	defer unix.Close(dev)
	layers := fuseLayersOf(plan.Ops)
	if layers == nil {
		return nil, fmt.Errorf("a FUSE file system without layers: this is a bug in cove")
	}
	ns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/user", sandboxed.PID), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the sandbox's user namespace: %w", err)
	}
	defer unix.Close(ns)
	memfd, err := unix.MemfdCreate("fuse-overlayfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make a file in memory: %w", err)
	}
	out := os.NewFile(uintptr(memfd), "fuse-overlayfs's output")

	s, err := stage.New(0)
	if err != nil {
		return nil, err
	}
	s.Direct = true
	l := &s.Setup
	l.Call(stepFuse, unix.SYS_SETNS, ns, unix.CLONE_NEWUSER)
	next := fuseLayers
	at := func(p string) string {
		fd := l.NewSlot()
		l.Call(stepFuse, unix.SYS_OPENAT, unix.AT_FDCWD, p, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0).Into(fd)
		l.Call(stepFuse, unix.SYS_DUP3, fd, next, 0)
		next++
		return fmt.Sprintf("/proc/self/fd/%d", next-1)
	}
	var lower []string
	for _, p := range layers.Lower {
		lower = append(lower, at(p))
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,squash_to_uid=%d,squash_to_gid=%d",
		strings.Join(lower, ":"), at(layers.Upper), at(layers.Work), plan.IDs.UID, plan.IDs.GID)
	l.Call(stepFuse, unix.SYS_DUP3, dev, fuseDevice, 0)
	for fd := 0; fd <= 2; fd++ {
		l.Call(stepFuse, unix.SYS_DUP3, memfd, fd, 0)
	}
	// It must not die of the signals that the terminal sends to our group.
	l.Call(stepFuse, unix.SYS_SETSID)
	err = s.Exec([]string{bin}, []string{"fuse-overlayfs", "-f", "-o", options, fmt.Sprintf("/dev/fd/%d", fuseDevice)}, []string{"PATH=/usr/bin:/bin"})
	if err != nil {
		return nil, err
	}
	proc, err := s.Start()
	if err != nil {
		return nil, fmt.Errorf("cannot start fuse-overlayfs: %w", err)
	}
	f := &fuseServer{proc, out, make(chan error, 1)}
	if m, _, ok := proc.Hear(); ok && m[0] == stage.MsgFailed { // the end of the conversation says that it was executed
		proc.Wait()
		return nil, fmt.Errorf("cannot start fuse-overlayfs (%s): %w", bin, syscall.Errno(m[2]))
	}
	go func() {
		ws, err := proc.Wait()
		if err == nil && ws.ExitStatus() != 0 {
			err = fmt.Errorf("fuse-overlayfs ended with status %d: %s", ws.ExitStatus(), f.printed())
			sandboxed.Kill()
		}
		f.done <- err
	}()
	return f, nil
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
	n, _ := f.out.ReadAt(b, 0)
	return strings.TrimSpace(string(b[:n]))
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
