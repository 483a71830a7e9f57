package launch

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cove/internal/box"
	"cove/internal/landlock"
	"cove/internal/mount"
	"cove/internal/stage"
	"cove/overlay"
	"cove/sandbox"
	"cove/userns"
)

// Examine tries all that sandboxes need, one after the other, for sandbox.Diagnose. Nothing is taken from memory, as
// Probe does, and nothing stays: directories that had to be made are removed again.
//
// It makes some twenty processes, and ends early, with a *SignalError, where a signal comes.
func Examine(dirs Dirs, signals *Signals) (*sandbox.Machine, error) {
	host, err := Probe(dirs, sandbox.Spec{Home: sandbox.Set(sandbox.HomeNone, sandbox.Origin{})})
	if err != nil {
		return nil, err
	}
	x := &examiner{host: host, dirs: dirs, signals: signals, m: &sandbox.Machine{
		Kernel: host.Kernel, User: host.User, Home: host.Files(host.User.Home).Real,
		MountSetattr: host.Features.MountSetattr, NewMountAPI: host.Features.NewMountAPI,
		SeccompFilter: host.Features.SeccompFilter, CgroupNS: host.Features.CgroupNS,
	}}
	x.trial, err = newTrialDir(dirs)
	defer x.trial.remove()
	x.m.Data = x.dir(dirs.Data)
	x.m.Data.Exists = x.m.Data.Exists && !slices.Contains(x.trial.made, dirs.Data)
	x.m.Data.Errno = errnoOf(err)
	for _, look := range []func(){
		x.settings, x.surroundings, x.namespaces, x.devices, x.landlock, x.directories, x.cgroups,
		x.kernelOverlay, x.fuseOverlay, x.subids,
	} {
		look()
		if x.stopped == nil {
			x.stopped = pending(signals)
		}
		if x.stopped != nil {
			return nil, x.stopped
		}
	}
	return x.m, nil
}

// A SignalError says that a signal came before all was looked at.
type SignalError struct{ Signal syscall.Signal }

func (e *SignalError) Error() string { return "stopped by a signal (" + e.Signal.String() + ")" }

// pending tells of a signal that came, and is to end what goes on.
func pending(signals *Signals) error {
	for sig, ok := signals.Next(); ok; sig, ok = signals.Next() {
		if sig != unix.SIGWINCH && sig != unix.SIGCONT {
			return &SignalError{sig}
		}
	}
	return nil
}

// Try runs a program that does nothing as spec says, in a box that is not kept, and tells what stopped it. Where the
// sandbox does not have that program the sandbox is there, and all is well. A signal is a *SignalError.
func Try(dirs Dirs, spec sandbox.Spec, signals *Signals) error {
	trial, err := newTrialDir(dirs)
	defer trial.remove()
	if err != nil {
		return err
	}
	return trial.run(spec, signals)
}

// A trialDir is a data directory for trials, where the real one is.
type trialDir struct {
	dirs Dirs
	made []string // directories on the way, which did not exist, the outermost first
}

func newTrialDir(dirs Dirs) (t trialDir, err error) {
	t.dirs = dirs
	t.dirs.Data = ""
	for d := dirs.Data; d != "/" && unix.Access(d, unix.F_OK) == unix.ENOENT; d = path.Dir(d) {
		t.made = slices.Insert(t.made, 0, d)
	}
	if err = os.MkdirAll(dirs.Data, 0o700); err != nil {
		return t, err
	}
	sweepTrials(dirs.Data)
	dir, err := os.MkdirTemp(dirs.Data, trialPrefix)
	if err != nil {
		return t, err
	}
	t.dirs.Data = dir
	// A full disk lets directories be made.
	text := filepath.Join(dir, "text")
	return t, errors.Join(os.WriteFile(text, make([]byte, 4096), 0o600), os.Remove(text))
}

const trialPrefix = ".doctor-"

// sweepTrials removes what killed doctors left in the data directory.
func sweepTrials(data string) {
	entries, _ := os.ReadDir(data)
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), trialPrefix) && time.Since(info.ModTime()) > time.Hour {
			removeTrial(filepath.Join(data, e.Name()))
		}
	}
}

// removeTrial removes a directory with boxes in it, in which the kernel left directories of mode 000.
func removeTrial(dir string) {
	if fd, err := unix.Open(path.Dir(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
		box.RemoveTree(fd, path.Base(dir)) // what stays is tried again an hour later
		unix.Close(fd)
	}
}

func (t *trialDir) remove() {
	if t.dirs.Data != "" {
		removeTrial(t.dirs.Data)
	}
	for _, d := range slices.Backward(t.made) {
		os.Remove(d) // fails where another cove uses it now
	}
}

func (t *trialDir) run(spec sandbox.Spec, signals *Signals) error {
	spec.Command, spec.Box, spec.Drop = []string{"true"}, "", true
	spec.TTY = sandbox.Setting[string]{}
	if !spec.Workdir.IsSet {
		spec.Workdir = sandbox.Set("/", sandbox.Origin{}) // the caller's directory may be one that cannot be seen inside
	}
	host, err := Probe(t.dirs, spec)
	if err != nil {
		return err
	}
	host.TTY = sandbox.TTY{}
	report, err := Run(spec, host, Options{Dirs: t.dirs, Signals: signals, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	if exec := (*ExecError)(nil); errors.As(err, &exec) {
		return nil
	}
	if err == nil && report.Signal != 0 {
		return &SignalError{syscall.Signal(report.Signal)} // ours, passed on
	}
	if err == nil && report.ExitCode != 0 {
		return fmt.Errorf("true(1) ended with status %d", report.ExitCode)
	}
	return err
}

// examiner fills a Machine in.
type examiner struct {
	m       *sandbox.Machine
	host    sandbox.Host
	dirs    Dirs
	trial   trialDir
	signals *Signals
	stopped error // by a signal
}

// errnoOf is the name of the errno in err, or "".
func errnoOf(err error) sandbox.Errno {
	var e syscall.Errno
	switch {
	case err == nil, errors.As(err, &e) && e == 0:
		return ""
	case e == 0:
		return "EIO"
	}
	if name := unix.ErrnoName(e); name != "" {
		return sandbox.Errno(name)
	}
	return sandbox.Errno("errno " + strconv.Itoa(int(e)))
}

// attempt clones a child with flags, which maps the user's own id where it has a user namespace, and then does what
// build adds. It tells with which errno any of it failed.
func (x *examiner) attempt(flags uintptr, build func(l *stage.List)) sandbox.Errno {
	s, err := stage.New(flags)
	if err != nil {
		return errnoOf(err)
	}
	s.Direct = true
	l := &s.Setup
	l.CloseInherited(stepMount)
	if flags&unix.CLONE_NEWUSER != 0 {
		m, err := userns.Plan(x.host.User, userns.Ranges{}, sandbox.UIDKeep, sandbox.IDsSingle)
		if err != nil {
			return errnoOf(err)
		}
		mapIDs(l, m)
	}
	if flags&unix.CLONE_NEWNS != 0 {
		l.Call(stepMount, unix.SYS_MOUNT, nil, "/", nil, unix.MS_REC|unix.MS_PRIVATE, nil)
	}
	if build != nil {
		build(l)
	}
	l.Call(stepMount, unix.SYS_EXIT_GROUP, 0)
	proc, err := s.Start()
	if err != nil {
		return errnoOf(err)
	}
	var failed sandbox.Errno
	for {
		m, _, ok := proc.Hear()
		if !ok {
			break
		}
		if m[0] == stage.MsgFailed && failed == "" {
			failed = errnoOf(syscall.Errno(m[2]))
		}
	}
	if ws, err := proc.Wait(); failed == "" && (err != nil || ws != 0) {
		failed = "EIO" // killed midway
	}
	return failed
}

// stepMount is any step of a trial but mapping ids.
const stepMount = stepSeccomp + 1

var cloneFlags = []struct {
	kind string
	flag uintptr
}{
	{"mnt", unix.CLONE_NEWNS}, {"pid", unix.CLONE_NEWPID}, {"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS},
	{"net", unix.CLONE_NEWNET}, {"cgroup", unix.CLONE_NEWCGROUP},
}

// namespaces tries them, and what is done in them.
func (x *examiner) namespaces() {
	m := x.m
	for _, c := range []struct {
		name string
		nr   uintptr
	}{{"openat2", unix.SYS_OPENAT2}, {"close_range", unix.SYS_CLOSE_RANGE}} {
		if !known(c.nr, c.name).OK {
			m.Calls = append(m.Calls, c.name+"(2)")
		}
	}
	m.UserNS = x.attempt(unix.CLONE_NEWUSER|unix.CLONE_NEWNS, nil)
	if m.UserNS != "" {
		m.Proc, m.Terminal, m.Tun = m.UserNS, m.UserNS, m.UserNS
		return
	}
	for _, ns := range cloneFlags {
		if ns.kind == "cgroup" && !m.CgroupNS.OK {
			continue
		}
		if e := x.attempt(unix.CLONE_NEWUSER|ns.flag, nil); e != "" {
			m.Lacking = append(m.Lacking, ns.kind+": "+string(e))
		}
	}
	m.Proc = x.attempt(unix.CLONE_NEWUSER|unix.CLONE_NEWNS|unix.CLONE_NEWPID, func(l *stage.List) {
		l.Call(stepMount, unix.SYS_MOUNT, "proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, nil)
	})
	m.Terminal = x.attempt(unix.CLONE_NEWUSER|unix.CLONE_NEWNS, func(l *stage.List) {
		const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
		ptmx := l.NewSlot()
		// /proc is a directory that is surely there, and of which nothing is needed any more.
		l.Call(stepMount, unix.SYS_MOUNT, "devpts", "/proc", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
		l.Call(stepMount, unix.SYS_OPENAT, unix.AT_FDCWD, "/proc/ptmx", flags, 0).Into(ptmx)
		l.Call(stepMount, unix.SYS_IOCTL, ptmx, unix.TIOCSPTLCK, unsafe.Pointer(stage.Put(l, int32(0))))
		l.Call(stepMount, unix.SYS_IOCTL, ptmx, unix.TIOCGPTPEER, flags)
	})
	m.Tun = x.attempt(unix.CLONE_NEWUSER|unix.CLONE_NEWNET, func(l *stage.List) {
		ifreq := stage.Put(l, struct {
			name  [16]byte
			flags uint16
			_     [22]byte
		}{flags: unix.IFF_TUN | unix.IFF_NO_PI})
		tun := l.NewSlot()
		l.Call(stepMount, unix.SYS_OPENAT, unix.AT_FDCWD, "/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0).Into(tun)
		l.Call(stepMount, unix.SYS_IOCTL, tun, unix.TUNSETIFF, unsafe.Pointer(ifreq))
	})
}

func (x *examiner) devices() {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if x.m.FuseDevice = errnoOf(err); err == nil {
		unix.Close(fd)
	}
}

func (x *examiner) landlock() {
	abi, err := landlock.ABI()
	x.m.Landlock, x.m.NoLandlock = abi, errnoOf(err)
	// The word lsm= takes no capability: that one is always there.
	list := strings.Split(firstLine("/sys/kernel/security/lsm"), ",")
	list = slices.DeleteFunc(list, func(s string) bool { return s == "capability" || s == "" })
	x.m.LSMs = strings.Join(list, ",")
}

// settings reads what administrators and distributions have set.
func (x *examiner) settings() {
	m := x.m
	m.Self, _ = os.Executable()
	m.Sysctls = map[string]string{}
	for _, name := range []string{"kernel.unprivileged_userns_clone", "user.max_user_namespaces", "user.max_mnt_namespaces", "user.max_pid_namespaces",
		"user.max_ipc_namespaces", "user.max_uts_namespaces", "user.max_net_namespaces", "user.max_cgroup_namespaces"} {
		if v := firstLine("/proc/sys/" + strings.ReplaceAll(name, ".", "/")); v != "" {
			m.Sysctls[name] = v
		}
	}
	m.AppArmor = sandbox.AppArmor{Restricts: appArmorRestricts(), Label: firstLine("/proc/self/attr/current")}
	_, err := os.Stat("/run/systemd/system")
	m.Systemd = err == nil
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		text, _ = os.ReadFile("/usr/lib/os-release")
	}
	m.Distro = distro(string(text))
}

// distro reads os-release(5): ID, and then all of ID_LIKE.
func distro(text string) (ids []string) {
	for _, key := range []string{"ID=", "ID_LIKE="} {
		for line := range strings.Lines(text) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), key); ok {
				ids = append(ids, strings.Fields(strings.Trim(value, `"'`))...)
			}
		}
	}
	return ids
}

// firstLine is that of a small file, without white space around it; "" where it cannot be read.
func firstLine(file string) string {
	text, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(strings.TrimRight(line, "\x00"))
}

func (x *examiner) surroundings() {
	a := &x.m.Around
	a.Nested = nested()
	for _, m := range x.host.Mounts { // of two at one place the later is on top
		if m.Path == "/proc" || m.Path == "/proc/sys" {
			a.Sealed = slices.Contains(m.Options, "ro")
		}
	}
	// In a chroot that is no mount point, none of the mounts that we see is the root.
	a.Chroot = !slices.ContainsFunc(x.host.Mounts, func(m sandbox.MountPoint) bool { return m.Path == "/" })
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); key {
		case "NoNewPrivs":
			a.NoNewPrivs = value == "1"
		case "Seccomp":
			a.Filtered = value == "2"
		}
	}
	there := func(p string) bool { return unix.Access(p, unix.F_OK) == nil }
	// Disks of virtual machines are made from images of containers, too, and then have the file but are none.
	boxed := a.Sealed || slices.ContainsFunc(x.host.Mounts, func(m sandbox.MountPoint) bool { return m.Path == "/" && strings.Contains(m.Type, "overlay") })
	switch env := x.host.Env; {
	case env["COVE_BOX"] != "":
		a.Container = "cove"
	case there("/.flatpak-info"):
		a.Container = "flatpak"
	case boxed && there("/run/.containerenv"):
		a.Container = "podman"
	case boxed && there("/.dockerenv"):
		a.Container = "docker"
	case firstLine("/run/systemd/container") != "": // systemd in a container writes down what its manager said
		a.Container = firstLine("/run/systemd/container")
	case env["container"] != "": // https://systemd.io/CONTAINER_INTERFACE
		a.Container = env["container"]
	case strings.Contains(strings.ToLower(x.host.Kernel), "microsoft"):
		a.Container = "wsl"
	}
}

// dir tells of a directory that cove keeps things in.
func (x *examiner) dir(p string) sandbox.Dir {
	d := sandbox.Dir{Path: p, On: p}
	var st unix.Stat_t
	for d.On != "/" && unix.Stat(d.On, &st) != nil {
		d.On = path.Dir(d.On)
	}
	d.Exists = d.On == p
	d.UID, d.Mode = int(st.Uid), st.Mode&0o7777
	var fs unix.Statfs_t
	if d.Free = 1 << 62; unix.Statfs(d.On, &fs) == nil && fs.Blocks > 0 { // ramfs and others do not count
		d.Free = fs.Bavail * uint64(fs.Bsize)
	}
	real, holder := x.host.Files(d.On).Real, ""
	for _, m := range x.host.Mounts { // of two at one place the later is on top
		if (m.Path == real || isBelow(real, m.Path)) && len(m.Path) >= len(holder) {
			holder, d.Type = m.Path, m.Type
		}
	}
	return d
}

func (x *examiner) directories() {
	m := x.m
	m.Config = x.dir(x.dirs.Config)
	for _, p := range []string{x.dirs.Config, path.Join(x.dirs.Config, "profiles")} {
		fd, err := unix.Open(p, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		} else if err != unix.ENOENT && m.Config.Errno == "" {
			m.Config.Errno = errnoOf(err)
		}
	}
	m.Runtime = x.dir(x.dirs.Runtime)
	if err := unix.Access(m.Runtime.On, unix.W_OK|unix.X_OK); err != nil {
		m.Runtime.Errno = errnoOf(err)
	} else if up := path.Dir(x.dirs.Runtime); m.Runtime.On != x.dirs.Runtime && m.Runtime.On != up {
		m.Runtime.Errno = "ENOENT" // XDG_RUNTIME_DIR itself is made by who logs users in
	}
	home := x.host.Files(x.host.User.Home)
	switch {
	case home.Kind != sandbox.Directory:
		m.HomeTrouble = "your home directory is not there: " + x.host.User.Home
		return
	case home.Real == "/":
		m.HomeTrouble = "your home directory is /"
		return
	}
	for _, p := range x.host.Mounts {
		if isBelow(p.Path, home.Real) {
			m.Submounts = append(m.Submounts, p.Path)
		}
	}
	m.Foreign = Foreign(x.host)
}

func (x *examiner) kernelOverlay() {
	m := x.m
	if m.HomeTrouble != "" {
		m.Overlay = sandbox.No("there is no home to copy")
		return
	}
	m.Overlay = feature("kernel-overlay", func() sandbox.Feature {
		var b mount.Builder = newBuilder(!m.NewMountAPI.OK || !m.MountSetattr.OK, x.host)
		err := overlay.TryKernel(m.Home, x.trial.dirs.Data, b)
		if p := (*overlay.ProbeError)(nil); errors.As(err, &p) {
			m.NoOverlay = errnoOf(p.Errno)
		}
		_, kernel := tried(err, x.dirs)
		return kernel
	})
}

func (x *examiner) fuseOverlay() {
	m := x.m
	m.FuseBin = overlay.FindFuseOverlayfs(os.Getenv("PATH"))
	m.Fuse = feature("fuse-overlayfs", func() sandbox.Feature {
		_, err := overlay.FuseOverlayfs(os.Getenv("PATH"))
		if err == nil {
			err = x.run(sandbox.Spec{Overlay: sandbox.Set(sandbox.OverlayFuse, sandbox.Origin{})})
		}
		return featureOf(err)
	})
}

func (x *examiner) subids() {
	m := x.m
	m.NewUIDMap, m.NewGIDMap = userns.FindHelper("newuidmap"), userns.FindHelper("newgidmap")
	m.SubidSource, m.SubidsFree = userns.Source(), userns.Free()
	var err error
	if m.Subids, err = userns.ReadRanges(x.host.User); err != nil {
		m.SubidTrouble = err.Error()
		return
	}
	if len(m.Subids.UIDs) > 0 && len(m.Subids.GIDs) > 0 {
		m.SubidsTried = featureOf(x.run(sandbox.Spec{
			IDs: sandbox.Set(sandbox.IDsSub, sandbox.Origin{}), Home: sandbox.Set(sandbox.HomeTmpfs, sandbox.Origin{}),
		}))
	}
}

// run is Try where there is a place for it.
func (x *examiner) run(spec sandbox.Spec) error {
	if x.m.Data.Errno != "" {
		return errors.New("cannot be tried, as boxes cannot be kept")
	}
	err := x.trial.run(spec, x.signals)
	if s := (*SignalError)(nil); errors.As(err, &s) {
		x.stopped = err
	}
	return err
}

func featureOf(err error) sandbox.Feature {
	if err != nil {
		return sandbox.No(err.Error())
	}
	return sandbox.Yes
}

// cgroups finds the group below which the user may make others, and what can be limited there.
func (x *examiner) cgroups() {
	c := &x.m.Cgroups
	root, old := "", false
	for _, m := range x.host.Mounts {
		switch m.Type {
		case "cgroup2":
			if root == "" {
				root = m.Path
			}
		case "cgroup":
			old = true
		}
	}
	switch {
	case old && root != "":
		c.Version = "hybrid"
		return
	case old:
		c.Version = "1"
		return
	case root == "":
		return
	}
	c.Version = "2"
	own := ""
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			own = path.Join("/", p)
		}
	}
	// The user's own systemd has all that was delegated to the user; it gives its children what they ask for.
	uid := strconv.Itoa(x.host.User.UID)
	manager := "/user.slice/user-" + uid + ".slice/user@" + uid + ".service"
	runtime := path.Dir(x.dirs.Runtime)
	reached := strings.HasPrefix(own, manager+"/") ||
		unix.Access(path.Join(runtime, "systemd/private"), unix.W_OK) == nil || unix.Access(path.Join(runtime, "bus"), unix.W_OK) == nil
	switch {
	case x.host.User.UID == 0 && !x.m.Around.Nested && delegated(root): // all of it
		c.Path = "/"
	case reached && delegated(root+manager):
		c.Path, c.Manager = manager, true
	case delegated(root + own):
		c.Path = own
	case delegated(root): // a container's: what it has of the tree begins here, whatever its groups are called outside
		c.Path = "/"
	default:
		return
	}
	c.Controllers = strings.Fields(firstLine(path.Join(root, c.Path, "cgroup.controllers")))
}

// delegated tells whether groups can be made in a group, and processes moved below it, by making one.
func delegated(dir string) bool {
	for _, f := range []string{"cgroup.procs", "cgroup.subtree_control"} {
		if unix.Access(path.Join(dir, f), unix.W_OK) != nil {
			return false
		}
	}
	child := path.Join(dir, "cove-doctor-"+strconv.Itoa(os.Getpid()))
	return unix.Mkdir(child, 0o755) == nil && unix.Rmdir(child) == nil
}
