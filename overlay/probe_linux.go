package overlay

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"cove/internal/mount"
	"cove/internal/stage"
)

// A ProbeError says which step of a trial failed.
type ProbeError struct {
	Step  ProbeStep
	Errno syscall.Errno
}

// ProbeStep is a step of a trial.
type ProbeStep string

const (
	ProbeNamespace ProbeStep = "make a user namespace"
	ProbeMount     ProbeStep = "mount anything in a user namespace"
	ProbeXattr     ProbeStep = "keep extended attributes of users (user.*)"
	ProbeOverlay   ProbeStep = "mount overlayfs"
)

func (e *ProbeError) Error() string { return fmt.Sprintf("cannot %s: %v", e.Step, e.Errno) }
func (e *ProbeError) Unwrap() error { return e.Errno }

// TryKernel mounts an overlay over the directory lower, in namespaces of its own, by the very calls that a sandbox
// uses; nothing but trying tells whether a kernel, its policy and these file systems allow it. The upper layer is
// made in dir, and removed again; where dir is "", or does not exist, it is in memory, and then nothing is known
// of the file system of dir.
//
// The error is a *ProbeError, or says that dir cannot be written to.
func TryKernel(lower, dir string, b mount.Builder) error {
	var upper, work string
	if dir != "" {
		trial, err := os.MkdirTemp(dir, ".probe-")
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return err
		default:
			// The kernel leaves a directory of mode 000 in work; we own it, and it is empty.
			defer func() {
				os.Chmod(trial+"/work/work", 0o700)
				os.RemoveAll(trial)
			}()
			upper, work = trial+"/upper", trial+"/work"
			if err := errors.Join(os.Mkdir(upper, 0o700), os.Mkdir(work, 0o700)); err != nil {
				return err
			}
			// Without them the kernel mounts it, and fails with EIO only when a directory must be made opaque
			// (ovl_check_setxattr): tmpfs before Linux 6.6.
			if err := unix.Setxattr(upper, "user.overlay.probe", []byte("y"), 0); err != nil {
				return &ProbeError{ProbeXattr, errno(err)}
			}
		}
	}
	return try(lower, upper, work, b)
}

// Steps of the trial's script, by number.
const (
	opMap = iota + 1
	opMount
	opOverlay
)

func try(lower, upper, work string, b mount.Builder) error {
	s, err := stage.New(unix.CLONE_NEWUSER | unix.CLONE_NEWNS)
	if err != nil {
		return err
	}
	s.Direct = true
	l := &s.Setup
	l.CloseInherited(opMap)
	l.WriteFile(opMap, "/proc/self/setgroups", "deny")
	l.WriteFile(opMap, "/proc/self/uid_map", oneID(os.Getuid()))
	l.WriteFile(opMap, "/proc/self/gid_map", oneID(os.Getgid()))
	l.Call(opMount, unix.SYS_MOUNT, nil, "/", nil, unix.MS_REC|unix.MS_PRIVATE, nil)
	if upper == "" {
		// Over a directory that is surely there, and of which nothing is needed any more.
		over := "/dev"
		if strings.HasPrefix(lower, "/dev/") {
			over = "/usr"
		}
		l.Call(opMount, unix.SYS_MOUNT, "tmpfs", over, "tmpfs", 0, "mode=700")
		upper, work = over+"/upper", over+"/work"
		for _, d := range []string{upper, work} {
			l.Call(opMount, unix.SYS_MKDIRAT, unix.AT_FDCWD, d, 0o700)
		}
	}
	ops := []mount.Op{{Do: mount.Overlay, Target: "/", Layers: &mount.Layers{Lower: []string{lower}, Upper: upper, Work: work}}}
	overlay := l.NewList()
	b.Gather(overlay, ops)
	b.Build(overlay, ops)
	l.AppendAs(opOverlay, overlay)
	l.Call(opOverlay, unix.SYS_EXIT_GROUP, 0)

	proc, err := s.Start()
	if err != nil {
		return &ProbeError{ProbeNamespace, errno(err)}
	}
	switch status, failed, err := proc.Finish(nil); {
	case failed != nil:
		step := map[int]ProbeStep{opMap: ProbeNamespace, opMount: ProbeMount, opOverlay: ProbeOverlay}[failed.Op]
		return &ProbeError{step, failed.Errno}
	case err != nil || status != 0:
		return &ProbeError{ProbeOverlay, unix.EIO} // killed midway
	}
	return nil
}

func oneID(id int) string { return strconv.Itoa(id) + " " + strconv.Itoa(id) + " 1\n" }

func errno(err error) (e syscall.Errno) {
	if !errors.As(err, &e) {
		e = unix.EIO
	}
	return e
}
