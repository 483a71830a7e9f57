package sandbox

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"cove/internal/escape"
	"cove/internal/landlock"
	"cove/userns"
)

// words says what errnos mean that trials meet, as strerror(3) does not know what was tried.
func (e Errno) String() string {
	for _, w := range []struct{ errno, words string }{
		{"EPERM", "not permitted"}, {"EACCES", "no right to it"}, {"ENOENT", "not there"}, {"ENOSPC", "the limit is reached"},
		{"EUSERS", "nested too deeply"}, {"ENOSYS", "this kernel does not have it, or a filter refuses it"}, {"EROFS", "a read-only file system"},
		{"ENODEV", "this kernel does not have it"}, {"EOPNOTSUPP", "not supported"}, {"EDQUOT", "the quota is used up"},
		{"ENXIO", "no such device"}, {"EINVAL", "this kernel does not have it"},
	} {
		if string(e) == w.errno {
			return w.words + " (" + w.errno + ")"
		}
	}
	return string(e)
}

// The kernel.

// oldest is the oldest kernel that cove is made for: openat2, close_range and overlayfs in user namespaces.
const oldestMajor, oldestMinor = 5, 11

func (m *Machine) kernel() Finding {
	major, rest, _ := strings.Cut(m.Kernel, ".")
	minor := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	a, err := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	found := "Linux " + escape.Name(m.Kernel)
	if err == nil && err2 == nil && (a < oldestMajor || a == oldestMajor && b < oldestMinor) {
		return missing(found, fmt.Sprintf("cove needs Linux %d.%d or later", oldestMajor, oldestMinor), advise("a newer kernel comes with a newer release of the distribution"))
	}
	return fine(found)
}

func (m *Machine) surroundings() Finding {
	var around []string
	a := m.Around
	for _, s := range []struct {
		is   bool
		what string
	}{
		{a.Container != "", "inside " + escape.Name(a.Container)},
		{a.Nested, "in a user namespace"},
		{a.Chroot, "in a chroot"},
		{a.Filtered, "under a seccomp filter"},
		{a.NoNewPrivs, "without setuid programs (no_new_privs)"},
	} {
		if s.is {
			around = append(around, s.what)
		}
	}
	if around == nil {
		return fine("no container or sandbox around cove")
	}
	return fine(strings.Join(around, ", "))
}

func (m *Machine) systemCalls() Finding {
	if len(m.Calls) == 0 {
		return fine("those that nothing works without are there")
	}
	fix := advise("a newer kernel, or a container runtime whose filter knows these calls (libseccomp 2.5.2 and later)")
	return missing("refused: "+strings.Join(m.Calls, ", "), "nothing works", fix)
}

// User namespaces.

// untried is for what cannot be tried without user namespaces.
func untried(f Finding) Finding { return f.because("user_namespaces") }

func (m *Machine) userNamespaces() Finding {
	if m.UserNS == "" {
		return fine("can be made")
	}
	f := missing("refused: "+m.UserNS.String(), "nothing works", nil)
	switch {
	case m.sysctlForbids() != nil:
		return f.because("namespace_limits")
	case m.appArmorForbids():
		return f.because("apparmor_userns")
	case len(m.Calls) > 0:
		return f.because("system_calls")
	case m.UserNS == "ENOSPC" || m.UserNS == "EUSERS":
		f.Fix = advise("there are too many of them already, or they are nested too deeply (32 at most); end some sandboxes, or raise user.max_user_namespaces")
	case m.UserNS == "EINVAL":
		f.Fix = advise("a kernel with CONFIG_USER_NS")
	case m.Around.Chroot:
		f.Fix = advise("the kernel makes none in a chroot: leave it, or use pivot_root(2)")
	case m.Around.Container == "cove":
		f.Fix = advise("start the sandbox around this one with cove run --nesting")
	case m.Around.Container == "docker" || m.Around.Container == "podman":
		f.Fix = advise("start the container with --security-opt seccomp=unconfined, and where the host has AppArmor with --security-opt apparmor=unconfined")
	case m.outside() || m.Around.Filtered:
		f.Fix = advise("whoever runs the container or sandbox around cove can let it; to a systemd service: RestrictNamespaces=no")
	default:
		f.Fix = advise("a security module refuses it: journalctl -k may name it")
	}
	return f
}

const cloneSysctl = "kernel.unprivileged_userns_clone"

// namespaceSysctls are the limits of namespaces (namespaces(7)), and a switch that Debian's, Arch's and others' kernels
// have.
var namespaceSysctls = []struct{ name, good string }{
	{cloneSysctl, "1"},
	{"user.max_user_namespaces", "15000"}, {"user.max_mnt_namespaces", "15000"}, {"user.max_pid_namespaces", "15000"},
	{"user.max_ipc_namespaces", "15000"}, {"user.max_uts_namespaces", "15000"}, {"user.max_net_namespaces", "15000"},
	{"user.max_cgroup_namespaces", "15000"},
}

// sysctlForbids lists, as lines of sysctl.conf(5), what stands against namespaces.
func (m *Machine) sysctlForbids() (lines []string) {
	for _, s := range namespaceSysctls {
		if m.Sysctls[s.name] == "0" && !(s.name == cloneSysctl && m.root()) {
			lines = append(lines, s.name+" = "+s.good)
		}
	}
	return lines
}

// fewNamespaces is below what some sandboxes at once need.
const fewNamespaces = 64

func (m *Machine) namespaceLimits() Finding {
	forbids := m.sysctlForbids()
	if forbids != nil {
		var found []string
		for _, l := range forbids {
			name, _, _ := strings.Cut(l, " ")
			found = append(found, name+" is 0")
		}
		fix := advise("whoever runs the container or sandbox around cove sets these")
		if !m.outside() {
			// The last file wins, and hardening guides have files that begin with 99 (RHEL's STIG V-257816).
			const file = "/etc/sysctl.d/zz-cove.conf"
			fix = m.byAdmin("sysctl -p "+file).write(file, strings.Join(forbids, "\n")+"\n")
		}
		return missing(strings.Join(found, ", "), "nothing works", fix)
	}
	var shown []string
	for _, s := range namespaceSysctls[:2] {
		v := m.Sysctls[s.name]
		if v != "" {
			shown = append(shown, s.name+" is "+escape.Name(v))
		}
		if n, err := strconv.Atoi(v); err == nil && s.name != cloneSysctl && n < fewNamespaces {
			fix := advise("whoever runs the container or sandbox around cove sets it")
			if !m.outside() {
				fix = m.byAdmin("sysctl -w " + s.name + "=" + s.good)
			}
			return less(strings.Join(shown, ", "), "only so many sandboxes at once", fix)
		}
	}
	if shown == nil {
		return fine("none are set")
	}
	return fine(strings.Join(shown, ", "))
}

// appArmorForbids tells whether Ubuntu's restriction is why namespaces cannot be made or used: it lets them be made,
// but without rights, so that the id map cannot be written (EACCES) or nothing be mounted (EPERM). Root is exempt.
func (m *Machine) appArmorForbids() bool {
	return m.AppArmor.Restricts && !m.root() && (m.UserNS == "EPERM" || m.UserNS == "EACCES")
}

func (m *Machine) appArmorUserns() Finding {
	switch {
	case !m.AppArmor.Restricts:
		return fine("does not restrict user namespaces")
	case m.appArmorForbids() && m.sysctlForbids() == nil:
		return missing("restricts user namespaces to programs with a profile, and this cove has none", "nothing works", AppArmorFix(m.Self, m.sudo()))
	case m.root():
		return fine("restricts user namespaces, but not root's")
	}
	return fine("restricts user namespaces to programs with a profile: " + escape.Name(m.AppArmor.Label))
}

func (m *Machine) namespaces() Finding {
	switch {
	case m.UserNS != "":
		return untried(missing("cannot be tried without user namespaces", "", nil))
	case len(m.Lacking) > 0 && m.sysctlForbids() != nil:
		return missing("cannot be made: "+strings.Join(m.Lacking, ", "), "nothing works", nil).because("namespace_limits")
	case len(m.Lacking) > 0:
		return missing("cannot be made: "+strings.Join(m.Lacking, ", "), "nothing works",
			advise("the limits in /proc/sys/user may be reached; otherwise a kernel with CONFIG_NAMESPACES and all below it, or less of a filter around cove"))
	case !m.CgroupNS.OK:
		return less("mnt, pid, ipc, uts, net", "programs see where they are in the host's control groups", advise("a kernel with CONFIG_CGROUPS"))
	}
	return fine("mnt, pid, ipc, uts, net, cgroup")
}

func (m *Machine) proc() Finding {
	switch {
	case m.UserNS != "":
		return untried(missing("cannot be tried without user namespaces", "", nil))
	case m.Proc == "":
		return fine("can be mounted in a pid namespace")
	}
	// mount_too_revealing of fs/namespace.c: only who sees all of a /proc may mount another.
	fix := advise("something is mounted over a part of /proc, and then the kernel lets nobody mount another: take it away, or leave the container")
	switch m.Around.Container {
	case "docker":
		fix = advise("start the container with --security-opt systempaths=unconfined: it covers parts of /proc, and then the kernel lets nobody mount another")
	case "podman":
		fix = advise("start the container with --security-opt unmask=ALL: it covers parts of /proc, and then the kernel lets nobody mount another")
	}
	return missing("cannot be mounted in a pid namespace: "+m.Proc.String(), "nothing works", fix)
}

// What a sandbox is made of.

func (m *Machine) mountAPI() Finding {
	const without = "binds are made read-only mount by mount, which takes longer"
	newer := advise("Linux 5.12 or later, and a filter around cove that lets the calls through")
	switch {
	case !m.NewMountAPI.OK:
		return less(m.NewMountAPI.Reason, without, newer)
	case !m.MountSetattr.OK:
		return less(m.MountSetattr.Reason, without, newer)
	}
	return fine("open_tree(2), move_mount(2), mount_setattr(2)")
}

func (m *Machine) seccomp() Finding {
	if m.SeccompFilter.OK {
		return fine("system calls can be filtered")
	}
	return missing(m.SeccompFilter.Reason, "programs would make any system call", advise(`a kernel with CONFIG_SECCOMP_FILTER; or a profile that does without: [seccomp] mode = "none"`))
}

func (m *Machine) landlock() Finding {
	const without = "no second wall behind what is mounted"
	switch {
	case m.Landlock >= landlock.ABIRefer:
		return fine(fmt.Sprintf("version %d of its interface", m.Landlock))
	case m.Landlock > 0:
		return less(fmt.Sprintf("version %d of its interface would forbid every rename between directories", m.Landlock), without, advise("Linux 5.19 or later"))
	}
	if m.NoLandlock == "EOPNOTSUPP" {
		const found = "this kernel has it, but did not start it"
		if m.LSMs == "" {
			// The word replaces the kernel's own list: one that lacks AppArmor or SELinux would stop them.
			return less(found, without, advise("put landlock before the others in lsm= of the kernel's command line; /sys/kernel/security/lsm has the others"))
		}
		return less(found, without, m.boots("cove-landlock", "lsm=landlock,"+m.LSMs))
	}
	return less("not there: "+m.NoLandlock.String(), without, advise("Linux 5.19 or later with CONFIG_SECURITY_LANDLOCK"))
}

func (m *Machine) terminals() Finding {
	switch {
	case m.UserNS != "":
		return untried(missing("cannot be tried without user namespaces", "", nil))
	case m.Terminal == "":
		return fine("can be made")
	}
	return missing("cannot be made: "+m.Terminal.String(), "programs have no terminal of their own", advise("a kernel with CONFIG_UNIX98_PTYS, and no filter or security module against devpts"))
}

// Directories.

// littleSpace is what a program may soon have filled, in bytes.
const littleSpace = 64 << 20

func (m *Machine) dataDirectory() Finding {
	d := m.Data
	where := escape.Name(d.Path)
	elsewhere := "or keep boxes elsewhere: export XDG_DATA_HOME=DIR"
	switch {
	case d.Errno == "ENOSPC" || d.Errno == "EDQUOT":
		return missing(where+": the disk is full", "boxes cannot be kept", advise("cove ls shows boxes with their sizes, cove rm BOX removes one; "+elsewhere))
	case d.Errno != "" && d.Errno != "EACCES" && d.Errno != "EPERM":
		return missing(where+" cannot be used: "+d.Errno.String(), "boxes cannot be kept", advise("keep boxes elsewhere: export XDG_DATA_HOME=DIR"))
	case d.Errno != "" && d.Exists && d.UID != m.User.UID:
		return missing(where+" belongs to another user", "boxes cannot be kept", m.owns(d).advise(elsewhere))
	case d.Errno != "" && d.UID == m.User.UID:
		return missing(where+" cannot be written to: "+d.Errno.String(), "boxes cannot be kept", byUser("chmod u+rwx "+escape.Word(d.On)).advise(elsewhere))
	case d.Errno != "":
		return missing(where+" cannot be made: "+d.Errno.String(), "boxes cannot be kept", m.byAdmin(m.install(d)).advise(elsewhere))
	case d.Exists && d.UID != m.User.UID:
		return less(where+" belongs to another user", "who owns it can change what is in boxes", m.owns(d))
	case d.Exists && d.Mode&0o022 != 0:
		return less(where+" can be written to by others", "they can change what is in boxes", byUser("chmod go-w "+escape.Word(d.Path)))
	case d.Free < littleSpace:
		return less(fmt.Sprintf("%s: %d MB free", where, d.Free>>20), "programs may find the disk full", advise("cove ls shows boxes with their sizes, cove rm BOX removes one; "+elsewhere))
	case !d.Exists:
		return fine(where + " will be made, on " + escape.Name(d.Type))
	}
	return fine(where + ", on " + escape.Name(d.Type))
}

// owns gives a directory that exists to the user.
func (m *Machine) owns(d Dir) *Fix {
	return m.byAdmin(fmt.Sprintf("chown -R %d:%d %s", m.User.UID, m.User.GID, escape.Word(d.Path)))
}

// install makes a directory of the user's.
func (m *Machine) install(d Dir) string {
	return fmt.Sprintf("install -d -m 700 -o %d -g %d %s", m.User.UID, m.User.GID, escape.Word(d.Path))
}

func (m *Machine) configDirectory() Finding {
	d := m.Config
	where := escape.Name(d.Path)
	switch {
	case d.Errno == "" && !d.Exists:
		return fine(where + " is not there: there are only built-in profiles")
	case d.Errno == "" && d.UID != m.User.UID && d.UID != 0:
		return less(where+" belongs to another user", "who owns it can change your profiles", m.owns(d)) // not so of root, who can anyway
	case d.Errno == "" && d.Exists && d.Mode&0o022 != 0:
		return less(where+" can be written to by others", "they can change your profiles", byUser("chmod go-w "+escape.Word(d.Path)))
	case d.Errno == "":
		return fine(where)
	case d.Errno != "EACCES":
		return missing(where+" cannot be read: "+d.Errno.String(), "your profiles cannot be used", advise("make a directory of it, or keep profiles elsewhere: export XDG_CONFIG_HOME=DIR"))
	case !d.Exists:
		return missing(where+" cannot be reached: "+d.Errno.String(), "your profiles cannot be used", advise("a directory on the way is closed to you: "+escape.Name(d.On)))
	case d.UID == m.User.UID:
		return missing(where+" cannot be read: "+d.Errno.String(), "your profiles cannot be used", byUser("chmod u+rwx "+escape.Word(d.On)))
	}
	return missing(where+" cannot be read: "+d.Errno.String(), "your profiles cannot be used", m.owns(d))
}

func (m *Machine) runtimeDirectory() Finding {
	d := m.Runtime
	where := escape.Name(d.Path)
	switch {
	case below(d.Path, m.Data.Path):
		return fine(where + ", as XDG_RUNTIME_DIR is not set")
	case d.Errno != "" || d.UID != m.User.UID:
		return less(where+" is not yours to use", "sockets of cove's cannot be kept there", advise("su and sudo leave XDG_RUNTIME_DIR of another user behind: unset it, or make a login of your own"))
	}
	return fine(where)
}

// The home and who keeps its copy.

// kernelCopies tells whether the kernel's overlay can keep a copy of this home. Where that cannot be tried it counts as
// able: then something else is to be mended first.
func (m *Machine) kernelCopies() bool {
	return m.UserNS != "" || m.Overlay.OK && len(m.Submounts) == 0
}

// shownPaths is how many paths a line names.
const shownPaths = 3

func some(paths []string) string {
	var shown []string
	for _, p := range paths[:min(len(paths), shownPaths)] {
		shown = append(shown, escape.Name(p))
	}
	text := strings.Join(shown, ", ")
	if n := len(paths) - shownPaths; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

func (m *Machine) homeDirectory() Finding {
	if m.HomeTrouble != "" {
		return missing(m.HomeTrouble, "there is nothing to copy", advise("set HOME to your home directory, or do without one: cove run --home tmpfs"))
	}
	where := escape.Name(m.Home)
	switch {
	case len(m.Submounts) > 0 && m.Fuse.OK:
		return less("mounted below "+where+": "+some(m.Submounts), "the kernel cannot keep the copy; fuse-overlayfs does, which is slow for many small files",
			advise("mount it elsewhere and link to it"))
	case len(m.Submounts) > 0:
		return missing("mounted below "+where+": "+some(m.Submounts), "the kernel cannot keep the copy", advise("or mount it elsewhere and link to it")).because("fuse_overlayfs")
	case len(m.Foreign) > 0:
		var words []string
		for _, p := range m.Foreign {
			words = append(words, escape.Word(path.Join(m.Home, p)))
		}
		// No command: they may belong to somebody for a reason, and chown cannot be undone.
		return less("in "+where+" and not yours: "+some(m.Foreign), "programs cannot change what is in there",
			advise("let programs write there by --rw; or where they should be yours: "+m.sudo()+fmt.Sprintf("chown -R %d:%d ", m.User.UID, m.User.GID)+strings.Join(words, " ")))
	}
	return fine(where)
}

func (m *Machine) kernelOverlay() Finding {
	const slow = "fuse-overlayfs keeps the copy of your home, which is slow for many small files"
	switch {
	case m.UserNS != "":
		return untried(missing("cannot be tried without user namespaces", "", nil))
	case m.Overlay.OK && m.Data.Errno != "":
		return fine("can be mounted over your home, with the changes in memory")
	case m.Overlay.OK:
		return fine("can be mounted over your home")
	}
	f := less(m.Overlay.Reason, slow, nil)
	if !m.Fuse.OK {
		f = missing(m.Overlay.Reason, "and no fuse-overlayfs: your home cannot be copied; cove run --home tmpfs works", nil)
	}
	switch {
	case m.Data.Errno != "":
		f = f.because("data_directory")
	case m.NoOverlay == "ENODEV":
		f.Fix = m.loads("overlay")
	case m.NoOverlay == "EPERM":
		f.Fix = advise("Linux 5.11 or later, and no security module or filter against it")
	case m.NoOverlay == "":
		f.Fix = advise("ask whoever took it away")
	default:
		f.Fix = advise("keep boxes on ext4, xfs, btrfs or, from Linux 6.6 on, tmpfs: export XDG_DATA_HOME=DIR")
	}
	return f
}

// openable is a Finding on a device that is opened by its path.
func (m *Machine) openable(device, module string, errno Errno, without string) Finding {
	inside := advise("start the container or sandbox around cove with " + device + ": docker and podman have --device")
	switch {
	case errno == "":
		return fine("can be opened")
	case m.outside():
		return less(device+": "+errno.String(), without, inside)
	case errno == "EACCES" || errno == "EPERM":
		return less(device+": "+errno.String(), without, m.opens(device, module))
	}
	return less(device+": "+errno.String(), without, m.loads(module))
}

func (m *Machine) fuseDevice() Finding {
	return m.openable("/dev/fuse", "fuse", m.FuseDevice, "fuse-overlayfs cannot be used")
}

func (m *Machine) fuseOverlayfs() Finding {
	if m.Fuse.OK {
		return fine("keeps a copy of your home where the kernel cannot: " + escape.Name(m.FuseBin))
	}
	f := less(m.Fuse.Reason, "homes that the kernel cannot copy (with something mounted below them) cannot be copied", nil)
	if !m.kernelCopies() {
		f = missing(m.Fuse.Reason, "your home cannot be copied; cove run --home tmpfs works", nil)
	}
	switch {
	case m.FuseBin == "":
		f.Found = "not installed"
		f.Fix = m.installs("fuse-overlayfs", m.family().fuse)
	case m.FuseDevice != "":
		f.Found = "cannot open its device"
		f = f.because("fuse_device")
	case m.UserNS != "":
		f.Found = "cannot be tried without user namespaces"
		f = untried(f)
	case m.Data.Errno != "":
		f = f.because("data_directory")
	default:
		f.Fix = advise("a newer fuse-overlayfs, or a kernel that mounts FUSE in user namespaces (4.18 and later)")
	}
	return f
}

// Subordinate ids.

const withoutSubids = "no --ids subids, for programs that need more users than yours, as package managers do"

func (m *Machine) newuidmap() Finding {
	for _, h := range []struct {
		name string
		userns.Helper
	}{{"newuidmap", m.NewUIDMap}, {"newgidmap", m.NewGIDMap}} {
		p := escape.Name(h.Path)
		switch {
		case h.Path == "":
			return less(h.name+" is not installed", withoutSubids, m.installs(h.name, m.family().idmap))
		case m.root():
		case m.Around.NoNewPrivs:
			return less(p+" has no rights here (no_new_privs)", withoutSubids, advise("start cove outside of the sandbox around it, or without NoNewPrivileges= in a systemd service"))
		case h.NoSuid:
			return less(p+" has no rights: its file system is mounted nosuid", withoutSubids, advise("install it on another file system"))
		case h.Plain && m.Around.Nested:
			return less(p+" has no rights in this user namespace", withoutSubids, advise("start cove outside of the container or sandbox around it, or in one that has root in its id map"))
		case h.Plain:
			w := escape.Word(h.Path)
			return less(p+" has no rights", withoutSubids, m.byAdmin("chown root:root "+w, "chmod u+s "+w))
		}
	}
	return fine(escape.Name(m.NewUIDMap.Path) + ", " + escape.Name(m.NewGIDMap.Path))
}

// subidCount is how many ids useradd(8) gives to each user (login.defs(5), SUB_UID_COUNT).
const subidCount = 65536

func (m *Machine) subids() Finding {
	r := m.Subids
	switch {
	case m.SubidTrouble != "":
		return less(m.SubidTrouble, withoutSubids, advise("mend that line, or ask whoever keeps the directory"))
	case len(r.UIDs) == 0 || len(r.GIDs) == 0:
		what := "no ranges for you in /etc/subuid and /etc/subgid"
		switch {
		case m.SubidSource != "files":
			return less("no ranges for you in "+escape.Name(m.SubidSource), withoutSubids, advise("ask whoever keeps that directory for a range"))
		case len(r.UIDs) > 0:
			what = "no range for you in /etc/subgid"
		case len(r.GIDs) > 0:
			what = "no range for you in /etc/subuid"
		}
		first := max(m.SubidsFree, 100000)
		ids := fmt.Sprintf("%d-%d ", first, first+subidCount-1)
		return less(what, withoutSubids, m.byAdmin("usermod --add-subuids "+ids+"--add-subgids "+ids+escape.Word(m.User.Name)))
	case m.SubidsTried.OK:
		n := 0
		for _, u := range r.UIDs {
			n += u.Count
		}
		return fine(fmt.Sprintf("%d from %d on can be mapped", n, r.UIDs[0].First))
	}
	f := less(m.SubidsTried.Reason, withoutSubids, nil)
	switch {
	case m.UserNS != "":
		f.Found = "cannot be tried without user namespaces"
		return untried(f)
	case m.Data.Errno != "":
		return f.because("data_directory")
	case m.newuidmap().Status != StatusOK:
		f.Found = fmt.Sprintf("%d from %d on, but nobody to map them", r.UIDs[0].Count, r.UIDs[0].First)
		return f.because("newuidmap")
	}
	f.Fix = advise("cove run --ids subids tells more")
	return f
}

// Network and limits.

func (m *Machine) tunDevice() Finding {
	const without = "a network of a sandbox's own: there is none, or the host's"
	if m.UserNS != "" && m.Tun == m.UserNS {
		return untried(less("cannot be tried without user namespaces", without, nil))
	}
	f := m.openable("/dev/net/tun", "tun", m.Tun, without)
	if f.Status == StatusOK {
		f.Found = "interfaces can be made"
	}
	return f
}

// controllers are those that limits use. Systemd delegates the first three by itself (cpu since 252).
var controllers = []string{"cpu", "memory", "pids", "io", "cpuset"}

func (m *Machine) cgroups() Finding {
	c := m.Cgroups
	const nothing = "no limits of memory, processes or time for a sandbox as a whole"
	switch c.Version {
	case "":
		return less("none are mounted", nothing, advise("mount them, as systemd does: mount -t cgroup2 cgroup2 /sys/fs/cgroup"))
	case "1", "hybrid":
		found := "version 1, which cannot be given to ordinary users"
		if c.Version == "hybrid" {
			found = "hybrid: the controllers are in version 1, which cannot be given to ordinary users"
		}
		switch {
		case m.Around.Container == "wsl":
			return less(found, nothing, advise("on Windows: wsl --update, and wsl --shutdown; newer versions of WSL have version 2 alone, unless .wslconfig or wsl.conf says otherwise"))
		case m.Systemd:
			return less(found, nothing, m.boots("cove-cgroup", "systemd.unified_cgroup_hierarchy=1"))
		}
		return less(found, nothing, advise("boot with version 2 alone, mounted on /sys/fs/cgroup"))
	}
	if c.Path == "" {
		switch {
		case m.outside():
			return less("version 2, but no group is yours", nothing, advise("whoever runs the container or sandbox around cove can delegate one"))
		case m.Systemd:
			return less("version 2, but no group is yours: your user has no systemd of its own", nothing,
				m.byAdmin("loginctl enable-linger "+escape.Word(m.User.Name)).advise("su and sudo make no session; log in, or use machinectl shell"))
		}
		return less("version 2, but no group is yours", nothing, advise("an administrator can make one and give it to you: Documentation/admin-guide/cgroup-v2.rst, Delegation"))
	}
	var have, lack []string
	for _, name := range controllers {
		if slices.Contains(c.Controllers, name) {
			have = append(have, name)
		} else {
			lack = append(lack, name)
		}
	}
	found := "version 2, delegated: " + strings.Join(have, " ")
	if have == nil {
		found = "version 2, but no controller is delegated"
	}
	if lack == nil {
		return fine(found)
	}
	fix := advise("enable them in cgroup.subtree_control of the groups above " + escape.Name(c.Path))
	if c.Manager {
		fix = m.byAdmin("systemctl daemon-reload").write("/etc/systemd/system/user@.service.d/delegate.conf",
			"[Service]\nDelegate="+strings.Join(controllers, " ")+"\n").advise("then log out of all sessions and in again, or reboot")
	} else if m.outside() {
		fix = advise("whoever runs the container or sandbox around cove can delegate more")
	}
	return less(found, "no limits of "+strings.Join(lack, ", "), fix)
}

// All together.

func (m *Machine) sandbox() Finding {
	if m.Sandbox.OK {
		return fine("a program ran as cove run runs it")
	}
	f := missing(m.Sandbox.Reason, "cove run does not work", nil)
	if m.SandboxHint != "" {
		f.Fix = advise(m.SandboxHint)
	}
	return f
}
