package launch

import (
	"fmt"
	"path"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"cove/internal/landlock"
	"cove/internal/mount"
	"cove/internal/seccomp"
	"cove/internal/stage"
	"cove/internal/sys/early"
	"cove/sandbox"
	"cove/userns"
)

// Steps of a Script that are no mount.Op. A failure names its step.
const (
	stepNamespaces = 1000 + iota
	stepMap
	stepFuse
	stepHostname
	stepLoopback
	stepTerminal
	stepRights
	stepLimits
	stepWorkdir
	stepSeccomp
	stepLandlock

	stepStock = 1500 // and up: sandbox.Stock, by its index
	stepRule  = 2000 // and up: Landlock rules, by their index
)

var stepNames = map[int32]string{
	stage.OpTalk:   "speak with its supervisor",
	stage.OpFork:   "fork the program",
	stepNamespaces: "make namespaces",
	stepMap:        "map user and group ids",
	stepFuse:       "hand /dev/fuse over",
	stepHostname:   "set the host name",
	stepLoopback:   "bring up the loopback interface",
	stepTerminal:   "make a terminal",
	stepRights:     "give up capabilities",
	stepLimits:     "set resource limits",
	stepSeccomp:    "install the seccomp filter",
	stepLandlock:   "restrict the program by Landlock",
}

// lay lays a Plan out as the system calls of a stage that has begun.
func lay(begun *Stage, plan *sandbox.Plan, host sandbox.Host) error {
	s := begun.script
	l := &s.Setup
	mapIDs(l, plan.IDs)

	// Own terminal: own session, so that Setup, as pid 1, becomes its leader. And where no terminal is read, a process
	// group of its own, so that the program cannot signal its caller's: kill(0, …) knows no pid namespaces.
	own := plan.TTY.Mode == sandbox.TTYNew
	s.Own = own || !host.TTY.Stdin

	builder := newBuilder(plan.Classic, host)
	// pid 1 is restricted too, so that it and the program may signal each other, whatever Scopes say.
	last := func(l *stage.List) { restrict(l, &plan.Landlock.Ruleset, nil) }
	if !plan.Classic && begun.stock != nil {
		begun.stock.Thrifty = begun.stock.Thrifty || 4*len(plan.Ops) > plenty/2
		builder = begun.stock
		if !begun.stock.Thrifty {
			begun.stock.Last = func(l *stage.List) {
				restrict(l, &plan.Landlock.Ruleset, func(target string) (stage.Slot, bool) { return heldAt(begun.stock, plan.Ops, target) })
			}
			last = func(*stage.List) {}
		}
	}
	builder.Gather(l, plan.Ops)
	builder.Build(l, plan.Ops)
	last(l)

	if plan.Has("cgroup") {
		l.Call(stepNamespaces, unix.SYS_UNSHARE, unix.CLONE_NEWCGROUP)
	}
	l.Call(stepHostname, unix.SYS_SETHOSTNAME, plan.Hostname, len(plan.Hostname))
	var slave stage.Slot
	if own {
		slave = terminal(l)
		s.Hold = slave
	}
	dropRights(l, plan.Caps)

	p := &s.Program
	switch {
	case own:
		takeTerminal(p, slave, host.TTY)
	case s.Own:
		p.Call(stepTerminal, unix.SYS_SETPGID, 0, 0)
	}
	setLimits(p, plan.Limits)
	p.Call(stepWorkdir, unix.SYS_CHDIR, plan.Workdir)
	p.CloseOnExec(stage.OpExec, 3)
	p.Unblock(stage.OpExec)
	if plan.Seccomp != nil {
		if err := filter(p, plan.Seccomp.Policy); err != nil {
			return err
		}
	}
	env := make([]string, len(plan.Env))
	search := ""
	for i, v := range plan.Env {
		env[i] = v.Name + "=" + v.Value
		if v.Name == "PATH" {
			search = v.Value
		}
	}
	return s.Exec(candidates(plan.Command[0], search), plan.Command, env)
}

func newBuilder(classic bool, host sandbox.Host) mount.Builder {
	if !classic {
		return &mount.NewAPI{Thrifty: true}
	}
	return &mount.Classic{Below: func(p string) []mount.Submount { return submounts(host.Mounts, p) }}
}

// mapIDs adds writing the id maps: a single id needs no help (user_namespaces(7)), more need newuidmap.
func mapIDs(l *stage.List, m userns.Map) {
	if m.Helper {
		l.Say(stepMap, stage.MsgMap)
		l.Wait(stepMap)
		// The caller's supplementary groups would stay, unmapped but effective.
		l.Call(stepMap, unix.SYS_SETGROUPS, 0, nil)
		l.Call(stepMap, unix.SYS_SETRESGID, m.GID, m.GID, m.GID)
		l.Call(stepMap, unix.SYS_SETRESUID, m.UID, m.UID, m.UID)
		// Changing credentials clears it (prctl(2)).
		l.Call(stepMap, unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, int(unix.SIGKILL), 0, 0, 0)
		l.Call(stepMap, unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		return
	}
	for _, f := range []struct{ path, text string }{
		{"/proc/self/setgroups", "deny"}, // or the kernel refuses gid_map (CVE-2014-8989)
		{"/proc/self/uid_map", userns.MapText(m.UIDs)},
		{"/proc/self/gid_map", userns.MapText(m.GIDs)},
	} {
		l.WriteFile(stepMap, f.path, f.text)
	}
}

// loopback adds bringing up lo, the one interface of an empty network namespace.
func loopback(l *stage.List) {
	type ifreq struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	r := stage.Put(l, ifreq{name: [16]byte{'l', 'o'}, flags: unix.IFF_UP | unix.IFF_RUNNING})
	fd := l.NewSlot()
	l.Call(stepLoopback, unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0).Into(fd)
	l.Call(stepLoopback, unix.SYS_IOCTL, fd, unix.SIOCSIFFLAGS, unsafe.Pointer(r))
	l.Call(stepLoopback, unix.SYS_CLOSE, fd)
}

// terminal adds making a pseudo-terminal of the sandbox's own, whose session pid 1 leads. The master goes to the
// supervisor; the slave is for the program.
func terminal(l *stage.List) (slave stage.Slot) {
	const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
	slave = l.NewSlot()
	p := l.NewParcel(stage.DescriptorTTY)
	l.Call(stepTerminal, unix.SYS_SETSID)
	l.Call(stepTerminal, unix.SYS_OPENAT, unix.AT_FDCWD, "/dev/pts/ptmx", flags, 0).Into(p.Slot())
	l.Call(stepTerminal, unix.SYS_IOCTL, p.Slot(), unix.TIOCSPTLCK, unsafe.Pointer(stage.Put(l, int32(0))))
	l.Call(stepTerminal, unix.SYS_IOCTL, p.Slot(), unix.TIOCGPTPEER, flags).Into(slave)
	l.Call(stepTerminal, unix.SYS_IOCTL, slave, unix.TIOCSCTTY, 0)
	l.Hand(stepTerminal, p)
	l.Call(stepTerminal, unix.SYS_CLOSE, p.Slot())
	l.Wait(stepTerminal) // until the size is set
	return slave
}

// takeTerminal adds, in the program, becoming the terminal's foreground group and putting it in the place of every
// standard stream that was a terminal.
func takeTerminal(p *stage.List, slave stage.Slot, tty sandbox.TTY) {
	pid := p.NewSlot()
	p.Call(stepTerminal, unix.SYS_SETPGID, 0, 0)
	p.Call(stepTerminal, unix.SYS_GETPID).Into(pid)
	// Allowed from the background, as SIGTTOU is still blocked.
	p.Call(stepTerminal, unix.SYS_IOCTL, slave, unix.TIOCSPGRP, stage.PointerTo(pid))
	for fd, is := range []bool{tty.Stdin, tty.Stdout, tty.Stderr} {
		if is {
			p.Call(stepTerminal, unix.SYS_DUP3, slave, fd, 0)
		}
	}
}

// dropRights adds giving up every capability but keep, for good.
func dropRights(l *stage.List, keep []sandbox.Cap) {
	var mask uint64
	for _, c := range keep {
		mask |= 1 << capNumbers[c.Name]
	}
	// The bounding set first: dropping from it needs CAP_SETPCAP.
	for n := 0; n <= 63; n++ {
		if mask&(1<<n) == 0 {
			l.Call(stepRights, unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, n, 0, 0, 0).Tolerate(unix.EINVAL) // this kernel has no such capability
		}
		if n > unix.CAP_LAST_CAP+8 {
			break
		}
	}
	l.Call(stepRights, unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	head := stage.Put(l, unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3})
	data := stage.Put(l, [2]unix.CapUserData{})
	for i := range data {
		w := uint32(mask >> (32 * i))
		data[i] = unix.CapUserData{Effective: w, Permitted: w, Inheritable: w}
	}
	l.Call(stepRights, unix.SYS_CAPSET, unsafe.Pointer(head), unsafe.Pointer(data))
	l.Call(stepRights, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// restrict adds what rules do, if there are any; see landlock.Ruleset.Restrict for held.
//
// It comes while there are capabilities: what was mounted with them may lie where none but they lead.
func restrict(l *stage.List, rules *landlock.Ruleset, held func(path string) (stage.Slot, bool)) {
	if len(rules.Rules) == 0 {
		return
	}
	rules.Restrict(l, held, func(rule int) int {
		if rule < 0 {
			return stepLandlock
		}
		return stepRule + rule
	})
}

// heldAt finds the mount at target.
func heldAt(b *mount.NewAPI, ops []mount.Op, target string) (stage.Slot, bool) {
	for i := range ops {
		if op := &ops[i]; op.Target == target && (op.Do == mount.BindTo || op.Do == mount.Mount || op.Do == mount.Overlay) {
			return b.Held(i), true
		}
	}
	return stage.Slot{}, false
}

// ruleError is what a Landlock rule's failure comes to; nil where op is none of rules.
func ruleError(op int32, errno syscall.Errno, rules []landlock.Rule) error {
	if i := int(op) - stepRule; i >= 0 && i < len(rules) {
		return &StepError{Step: "make the Landlock rule for " + rules[i].Path + rules[i].Stream, Errno: errno}
	}
	return nil
}

var capNumbers = map[string]int{
	"CHOWN": unix.CAP_CHOWN, "DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "FOWNER": unix.CAP_FOWNER, "FSETID": unix.CAP_FSETID,
	"KILL": unix.CAP_KILL, "SETGID": unix.CAP_SETGID, "SETUID": unix.CAP_SETUID, "SYS_CHROOT": unix.CAP_SYS_CHROOT,
	"SETFCAP": unix.CAP_SETFCAP,
}

var rlimits = map[string]int{
	"files": unix.RLIMIT_NOFILE, "file_size": unix.RLIMIT_FSIZE, "core": unix.RLIMIT_CORE, "stack": unix.RLIMIT_STACK,
	"address_space": unix.RLIMIT_AS,
}

// setLimits adds the resource limits, hard and soft alike, after undoing what Go did to RLIMIT_NOFILE.
func setLimits(p *stage.List, limits []sandbox.Limit) {
	set := func(resource int, cur, max uint64) {
		p.Call(stepLimits, unix.SYS_PRLIMIT64, 0, resource, unsafe.Pointer(stage.Put(p, unix.Rlimit{Cur: cur, Max: max})), nil)
	}
	set(unix.RLIMIT_NOFILE, early.NoFile.Cur, early.NoFile.Max)
	for _, l := range limits {
		resource := rlimits[l.Name]
		var now unix.Rlimit
		if unix.Getrlimit(resource, &now) == nil && now.Max < l.Value {
			l.Value = now.Max // it cannot be raised, and is tighter already
		}
		set(resource, l.Value, l.Value)
	}
}

// filter adds the seccomp filter. It is the last thing before execve, so that nothing of ours must be allowed
// for its sake, but for telling that execve failed.
func filter(p *stage.List, policy seccomp.Policy) error {
	prog, err := policy.Compile(goarch)
	if err != nil {
		return fmt.Errorf("cannot make the seccomp filter: %w", err)
	}
	insns := stage.PutAll(p, prog)
	fprog := stage.Put(p, struct {
		len    uint16
		_      [6]byte
		filter *seccomp.Instruction
	}{len: uint16(len(prog)), filter: insns})
	p.Call(stepSeccomp, unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, unsafe.Pointer(fprog))
	return nil
}

// candidates are the paths at which execvp(3) would look for a program. They are looked for inside.
func candidates(name, search string) (paths []string) {
	if strings.Contains(name, "/") || name == "" {
		return []string{name}
	}
	for _, dir := range strings.Split(search, ":") {
		if path.IsAbs(dir) { // an empty or relative entry means the working directory, which the program may own
			paths = append(paths, path.Join(dir, name))
		}
	}
	return paths
}

// submounts lists, for mount(2)'s sake, the mount that p lies in and those below p.
func submounts(mounts []sandbox.MountPoint, p string) (found []mount.Submount) {
	var holder mount.Submount
	for _, m := range mounts {
		s := mount.Submount{Path: m.Path, Flags: lockedFlags(m.Options)}
		switch {
		case m.Path == p || isBelow(p, m.Path) && len(m.Path) >= len(holder.Path):
			holder = s
		case isBelow(m.Path, p):
			found = append(found, s)
		}
	}
	return append([]mount.Submount{holder}, found...)
}

func isBelow(p, dir string) bool {
	return strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// lockedFlags are the flags of a mount that a user namespace may not take away.
func lockedFlags(options []string) (ms uintptr) {
	for _, o := range options {
		switch o {
		case "ro":
			ms |= unix.MS_RDONLY
		case "nosuid":
			ms |= unix.MS_NOSUID
		case "nodev":
			ms |= unix.MS_NODEV
		case "noexec":
			ms |= unix.MS_NOEXEC
		case "noatime":
			ms |= unix.MS_NOATIME
		case "nodiratime":
			ms |= unix.MS_NODIRATIME
		case "relatime":
			ms |= unix.MS_RELATIME
		}
	}
	return ms
}
