package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"cove/internal/mount"
	"cove/overlay"
	"cove/sandbox"
)

// overlayTrial remembers that the kernel mounted an overlay over the home, because trying takes as long as a third of
// a sandbox. Only a success is remembered, and only for what it depends on; where it has come to be wrong, the mount
// fails before the program starts, and Run forgets it and tries anew.
type overlayTrial struct {
	Kernel string `json:"kernel"` // uname -r
	Home   uint64 `json:"home"`   // the file systems' st_dev
	Data   uint64 `json:"data"`
	UID    int    `json:"uid"`
}

const trialFile = "overlay.json"

func newTrial(dirs Dirs, home, release string) (t overlayTrial, ok bool) {
	var h, d unix.Stat_t
	if unix.Stat(home, &h) != nil || unix.Stat(dirs.Data, &d) != nil {
		return t, false
	}
	return overlayTrial{release, h.Dev, d.Dev, os.Getuid()}, true
}

// kernelOverlay tells whether the kernel keeps the copy of home, by trying or by memory. Where there is no data
// directory yet, none is made: then the upper layer is tried in memory.
func kernelOverlay(dirs Dirs, home, release string, b mount.Builder) (userns, kernel sandbox.Feature) {
	trial, known := newTrial(dirs, home, release)
	if known && remembered(dirs) == trial {
		return sandbox.Yes, sandbox.Yes
	}
	dir := ""
	if known {
		dir = dirs.Data
	}
	err := overlay.TryKernel(home, dir, b)
	if err == nil && known {
		remember(dirs, trial)
	}
	return tried(err, dirs)
}

// tried says what an error of overlay.TryKernel means.
func tried(err error, dirs Dirs) (userns, kernel sandbox.Feature) {
	var p *overlay.ProbeError
	probed := errors.As(err, &p)
	full := false
	for _, errno := range []syscall.Errno{unix.ENOSPC, unix.EDQUOT, unix.EMFILE, unix.EBADF} {
		full = full || errors.Is(err, errno) && !(probed && p.Step == overlay.ProbeNamespace)
	}
	if err == nil || full {
		return sandbox.Yes, sandbox.Yes // a full disk, or table of descriptors, says nothing of the kernel, and will be told by whom it stops
	}
	if !probed {
		return sandbox.Yes, sandbox.No(fmt.Sprintf("the directory of boxes cannot be written to (%v)", err))
	}
	switch {
	case p.Step != overlay.ProbeXattr && p.Step != overlay.ProbeOverlay && appArmorHint(p.Errno) != "":
		no := sandbox.No(appArmorHint(p.Errno))
		return no, no
	case p.Step == overlay.ProbeNamespace:
		no := sandbox.No(cloneHint(p.Errno))
		return no, no
	case p.Step == overlay.ProbeXattr:
		return sandbox.Yes, sandbox.No(fmt.Sprintf("the file system of %s keeps no extended attributes of users", dirs.Data))
	}
	if p.Errno == unix.EINVAL && onOverlay(dirs.Data) {
		return sandbox.Yes, sandbox.No(fmt.Sprintf("%s is on an overlay itself, as in containers and sandboxes, and the kernel keeps no changes there; XDG_DATA_HOME=DIR puts boxes elsewhere, as into /tmp", dirs.Data))
	}
	return sandbox.Yes, sandbox.No(whyNoOverlay(p.Errno))
}

// onOverlay tells whether the file system of dir, or of where it would be made, is an overlay.
func onOverlay(dir string) bool {
	var st unix.Statfs_t
	for {
		err := unix.Statfs(dir, &st)
		if err == nil {
			return st.Type == unix.OVERLAYFS_SUPER_MAGIC
		}
		if err != unix.ENOENT || dir == "/" {
			return false
		}
		dir = filepath.Dir(dir)
	}
}

// whyNoOverlay puts the kernel's errno for an overlay mount into words.
func whyNoOverlay(e syscall.Errno) string {
	switch e {
	case unix.ENODEV:
		return "this kernel has no overlayfs (modprobe overlay, by an administrator, may bring it)"
	case unix.EPERM:
		return "this kernel does not let ordinary users mount overlayfs (Linux 5.11 and later do)"
	case unix.EINVAL:
		return "the kernel cannot put an overlay over your home, or keep the changes where boxes are kept"
	}
	return fmt.Sprintf("the kernel cannot mount an overlay over your home (%v)", e)
}

func remembered(dirs Dirs) (t overlayTrial) {
	text, err := os.ReadFile(filepath.Join(dirs.Data, trialFile))
	if err != nil || json.Unmarshal(text, &t) != nil {
		return overlayTrial{}
	}
	return t
}

// remember may fail: then it is tried again the next time.
func remember(dirs Dirs, t overlayTrial) {
	text, err := json.Marshal(t)
	if err != nil {
		return
	}
	f, err := os.CreateTemp(dirs.Data, ".overlay-")
	if err != nil {
		return
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dirs.Data, trialFile))
	}
	if err != nil {
		os.Remove(f.Name())
	}
}

func forget(dirs Dirs) { os.Remove(filepath.Join(dirs.Data, trialFile)) }
