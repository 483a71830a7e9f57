package launch

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"cove/internal/landlock"
	"cove/internal/stage"
	"cove/internal/sys"
	"cove/internal/tty"
	"cove/overlay"
	"cove/sandbox"
	"cove/userns"
)

// Probe finds the facts that spec's plan depends on. What costs time and is not asked for is not looked at: sub-ids
// only with ids = "subids", fuse-overlayfs only where the kernel's overlay cannot do.
//
// For tests, COVE_WITHOUT names features that shall count as missing, separated by commas: mount_setattr,
// new-mount-api, kernel-overlay, fuse-overlayfs, cgroup-namespace, landlock. It can only take away.
func Probe(dirs Dirs, spec sandbox.Spec) (sandbox.Host, error) {
	user, err := userns.CurrentUser(os.Getenv)
	if err != nil {
		return sandbox.Host{}, err
	}
	h := sandbox.Host{Kernel: release(), User: user, Env: environ(), Data: dirs.Data, Config: dirs.Config, Runtime: dirs.Runtime}
	if h.Cwd, err = os.Getwd(); err != nil {
		h.Cwd = "/" // it was removed under us
	}
	f := newFiles(user.Home)
	h.Files, h.List, h.Links = f.lookup, list, links
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return h, &sandbox.UnsupportedError{Msg: "cannot read /proc/self/mountinfo: " + err.Error(), Hint: "mount /proc"}
	}
	mounts, err := sys.ParseMountinfo(string(text))
	if err != nil {
		return h, err
	}
	for _, m := range mounts {
		h.Mounts = append(h.Mounts, sandbox.MountPoint(m))
	}
	h.TTY = sandbox.TTY{Stdin: tty.IsTerminal(0), Stdout: tty.IsTerminal(1), Stderr: tty.IsTerminal(2)}
	for fd := range h.Streams {
		h.Streams[fd] = stream(fd)
	}
	h.TTY.Foreground = h.TTY.Stdin && tty.Foreground(0)
	if err := features(&h, dirs, spec); err != nil {
		return h, err
	}
	return h, nil
}

func features(h *sandbox.Host, dirs Dirs, spec sandbox.Spec) error {
	ft := &h.Features
	// Whether a user namespace can be made shows when one is: here only where an overlay is tried.
	ft.UserNS = sandbox.Yes
	ft.MountSetattr, ft.NewMountAPI = mountSetattr(), newMountAPI()
	ft.CgroupNS = feature("cgroup-namespace", func() sandbox.Feature {
		if unix.Access("/proc/self/ns/cgroup", unix.F_OK) != nil {
			return sandbox.No("this kernel has no cgroup namespaces")
		}
		return sandbox.Yes
	})
	ft.SeccompFilter = seccompFilter()
	ft.Landlock = feature("landlock", func() sandbox.Feature {
		abi, reason := landlockABI()
		ft.LandlockABI = abi
		return sandbox.Feature{OK: reason == "", Reason: reason}
	})

	if spec.IDs.Or(sandbox.IDsSingle) == sandbox.IDsSub {
		subids, err := userns.ReadRanges(h.User)
		if err != nil {
			return err
		}
		h.Subids = subids
		ft.NewIDMap = sandbox.Yes
		if e := (*userns.Error)(nil); errors.As(userns.Installable(), &e) {
			ft.NewIDMap = sandbox.No(e.Hint)
		}
	}

	if !spec.Copies() {
		return nil
	}
	home := h.Files(h.User.Home).Real
	ft.KernelOverlay = feature("kernel-overlay", func() (kernel sandbox.Feature) {
		ft.UserNS, kernel = kernelOverlay(dirs, home, h.Kernel, newBuilder(!ft.NewMountAPI.OK || !ft.MountSetattr.OK, *h))
		return kernel
	})
	below := false
	for _, m := range h.Mounts {
		below = below || isBelow(m.Path, home)
	}
	if !ft.KernelOverlay.OK || below || spec.Overlay.Value == sandbox.OverlayFuse {
		ft.FuseOverlay = feature("fuse-overlayfs", func() sandbox.Feature {
			bin, err := overlay.FuseOverlayfs(os.Getenv("PATH"))
			if err != nil {
				return sandbox.No(err.Error())
			}
			ft.FuseOverlayBin = bin
			return sandbox.Yes
		})
	}
	return nil
}

// feature is what probe finds, unless COVE_WITHOUT takes it away.
func feature(name string, probe func() sandbox.Feature) sandbox.Feature {
	for w := range strings.SplitSeq(os.Getenv("COVE_WITHOUT"), ",") {
		if w == name {
			return sandbox.No("COVE_WITHOUT takes " + name + " away")
		}
	}
	return probe()
}

func mountSetattr() sandbox.Feature {
	return feature("mount_setattr", func() sandbox.Feature {
		return known(unix.SYS_MOUNT_SETATTR, "mount_setattr(2) needs Linux 5.12")
	})
}

func newMountAPI() sandbox.Feature {
	return feature("new-mount-api", func() sandbox.Feature {
		return known(unix.SYS_OPEN_TREE, "open_tree(2) is refused here")
	})
}

// known tells whether the kernel, and any filter around us, knows a system call: with nonsense for arguments it
// then complains of them.
func known(nr uintptr, reason string) sandbox.Feature {
	const bad = ^uintptr(0)
	if _, _, e := syscall.RawSyscall6(nr, bad, 0, bad, 0, 0, 0); e == unix.ENOSYS || e == unix.EPERM {
		return sandbox.No(reason)
	}
	return sandbox.Yes
}

// seccompFilter asks for a filter at address 0: EFAULT says that there would have been one (seccomp(2)).
func seccompFilter() sandbox.Feature {
	if _, _, e := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, 0); e != unix.EFAULT {
		return sandbox.No("this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)")
	}
	return sandbox.Yes
}

// landlockABI asks for the version of Landlock, and says why it is of no use.
func landlockABI() (abi int, reason string) {
	abi, err := landlock.ABI()
	switch {
	case err == unix.ENOSYS:
		return 0, "this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK)"
	case err == unix.EOPNOTSUPP:
		return 0, "Landlock is not among this kernel's security modules; an administrator can add it to those that lsm= names on the kernel's command line"
	case err != nil:
		return 0, "landlock_create_ruleset(2) is refused here"
	case abi < landlock.ABIRefer:
		return abi, "this kernel's Landlock would forbid every rename between directories; that of Linux 5.19 does not"
	}
	return abi, ""
}

// stream tells what a standard stream is.
func stream(fd int) (s sandbox.Stream) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return s
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		s.Kind = sandbox.Regular
	case unix.S_IFCHR, unix.S_IFBLK:
		s.Kind = sandbox.Device
	case unix.S_IFIFO:
		var fs unix.Statfs_t
		if unix.Fstatfs(fd, &fs) != nil || fs.Type == unix.PIPEFS_MAGIC {
			return s
		}
		s.Kind = sandbox.Fifo
	default:
		return s
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return sandbox.Stream{}
	}
	mode := flags & unix.O_ACCMODE
	s.Read, s.Write = mode != unix.O_WRONLY, mode != unix.O_RDONLY
	return s
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func environ() map[string]string {
	env := map[string]string{}
	for _, kv := range os.Environ() {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			env[k] = v
		}
	}
	return env
}

// InsideCove tells whether this process runs in a sandbox of cove. It goes by the name of pid 1, and is for hints: what
// is in the environment may not have been let in.
func InsideCove() bool {
	comm, err := os.ReadFile("/proc/1/comm")
	return err == nil && strings.TrimSpace(string(comm)) == stage.InitName
}

// cloneHint finds out why a namespace was refused.
func cloneHint(errno syscall.Errno) string {
	read := func(p string) string {
		b, _ := os.ReadFile(p)
		return strings.TrimSpace(string(b))
	}
	switch {
	case InsideCove() && errno == unix.EPERM:
		return "this is inside a sandbox of cove; give the outer one --nesting: it then may make sandboxes of its own"
	case read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		return "this kernel refuses user namespaces to ordinary users; an administrator can allow them: sudo sysctl kernel.unprivileged_userns_clone=1"
	case read("/proc/sys/user/max_user_namespaces") == "0":
		return "this machine allows no user namespaces; an administrator can allow them: sudo sysctl user.max_user_namespaces=15000"
	case errno == unix.ENOSPC || errno == unix.EUSERS:
		return "there are too many namespaces already, or they are nested too deeply; see /proc/sys/user/max_*_namespaces"
	case errno == unix.EPERM:
		return "a container or sandbox around cove may refuse user namespaces; so does a chroot"
	}
	return ""
}

// appArmorHint is for a namespace that could be made but has no rights, so that nothing can be mounted in it (EPERM), or
// its id map not even be opened (EACCES): Ubuntu since 23.10.
func appArmorHint(errno syscall.Errno) string {
	if errno != unix.EPERM && errno != unix.EACCES || os.Getuid() == 0 && !nested() || !appArmorRestricts() {
		return ""
	}
	self, _ := os.Executable() // "" has advice too
	return "Ubuntu's AppArmor restricts user namespaces to programs with a profile; this one is for cove:\n" + sandbox.AppArmorFix(self, "sudo ").Script()
}

func appArmorRestricts() bool {
	b, _ := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
	return strings.TrimSpace(string(b)) == "1"
}

// nested tells whether we are in a user namespace already.
func nested() bool {
	b, _ := os.ReadFile("/proc/self/uid_map")
	return strings.Join(strings.Fields(string(b)), " ") != "0 0 4294967295"
}
