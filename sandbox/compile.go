package sandbox

import (
	"errors"
	"path"
	"strings"

	"cove/internal/mount"
	"cove/internal/seccomp"
	"cove/userns"
)

// passes build the plan in order. A new concern is a new line.
var passes = []func(*compiler) error{
	(*compiler).contradictions,
	(*compiler).identity,
	(*compiler).root,
	(*compiler).devices,
	(*compiler).home,
	(*compiler).grants,
	(*compiler).homeElsewhere,
	(*compiler).masks,
	(*compiler).ownState,
	(*compiler).layout,
	(*compiler).server,
	(*compiler).network,
	(*compiler).terminal,
	(*compiler).landlock,
	(*compiler).limits,
	(*compiler).environment,
	(*compiler).workdir,
	(*compiler).farewell,
}

// Compile plans the sandbox that spec wishes for on host. Its errors are *SpecError and *UnsupportedError, which a
// *LackError wraps.
func Compile(spec Spec, host Host) (*Plan, error) {
	c := &compiler{spec: spec, host: host, plan: &Plan{Command: spec.Command}}
	for _, pass := range passes {
		if err := pass(c); err != nil {
			return nil, err
		}
	}
	return c.plan, nil
}

// compiler is a Plan in the making.
type compiler struct {
	spec   Spec
	host   Host
	plan   *Plan
	places []*place      // what is to be in the root, gathered by the passes, put in order by layout
	mounts []place       // those that layout put in their places, parents before what lies in them
	links  []mount.Op    // symbolic links to be made in it
	cow    *mount.Layers // the home's, with HomeCow
	real   string        // the home without links
	hidden []string      // real paths that Masks hide, for workdir

	homeDir   string // the home without links, also where the program gets none; "" where it does not exist
	homeAsked bool   // whether homeOnce is known
	homeOnce  bool   // the home, and all in it, is in one place of the host alone
}

// box is the path of something in the box's directory, without links, as the stage follows none.
func (c *compiler) box(name string) string { return c.boxOf(c.spec.Box, name) }

func (c *compiler) boxOf(box, name string) string {
	return path.Join(c.host.Files(c.host.Data).Real, "boxes", box, name)
}

func (c *compiler) note(text, hint string) {
	c.plan.Notes = append(c.plan.Notes, Note{text, hint})
}

// expand makes a path of the Spec absolute.
func (c *compiler) expand(p string) string {
	switch {
	case p == "~":
		return c.host.User.Home
	case strings.HasPrefix(p, "~/"):
		return path.Join(c.host.User.Home, p[2:])
	case !path.IsAbs(p):
		return path.Join(c.host.Cwd, p)
	}
	return path.Clean(p)
}

// contradictions are wishes that no machine could grant.
func (c *compiler) contradictions() error {
	s := &c.spec
	if s.RootCow.Value && !s.Root.IsSet {
		return &SpecError{s.RootCow.From, "cannot make the root copy-on-write: it is the host's", "name another root directory with --root DIR"}
	}
	if !c.host.Features.UserNS.OK {
		return lack("cannot create a user namespace", c.host.Features.UserNS.Reason)
	}
	return nil
}

func (c *compiler) identity() error {
	s := &c.spec
	m, err := userns.Plan(c.host.User, c.host.Subids, s.UID.Or(UIDKeep), s.IDs.Or(IDsSingle))
	if err != nil {
		from := s.UID.From
		if s.IDs.IsSet {
			from = s.IDs.From
		}
		if e := (*userns.Error)(nil); errors.As(err, &e) {
			return &SpecError{from, e.Msg, e.Hint}
		}
		return &SpecError{from, err.Error(), ""}
	}
	c.plan.IDs = m
	if m.Helper {
		if !c.host.Features.NewIDMap.OK {
			return lack("cannot map subordinate ids: newuidmap or newgidmap is not installed", c.host.Features.NewIDMap.Reason)
		}
		if m.UID == 0 {
			c.plan.Caps = packageManagerCaps
		}
	}
	c.plan.Namespaces = []Namespace{
		{"user", "ids as above, and no privilege outside"},
		{"mnt", ""}, {"pid", "cove's init is pid 1; when it ends, all ends"}, {"ipc", ""}, {"uts", ""},
	}
	if c.host.Features.CgroupNS.OK {
		c.plan.Namespaces = append(c.plan.Namespaces, Namespace{"cgroup", ""})
	}
	return nil
}

// packageManagerCaps is what a program keeps that is root over subordinate ids, in its own user namespace:
// Docker's default list without what concerns devices, networks and audit.
var packageManagerCaps = []Cap{
	{"CHOWN", "package managers give files to system users"},
	{"DAC_OVERRIDE", "and write where root may"},
	{"FOWNER", ""},
	{"FSETID", ""},
	{"KILL", ""},
	{"SETGID", "apt drops to _apt"},
	{"SETUID", ""},
	{"SYS_CHROOT", ""},
	{"SETFCAP", ""},
}

func (c *compiler) network() error {
	n := NetPlan{Mode: c.spec.Net.Or(NetNone), From: c.spec.Net.From.String()}
	switch n.Mode {
	case NetUser:
		return &UnsupportedError{"cannot give a network of its own yet: user-mode networking is not built",
			"use --net none, or --net host for the host's whole network"}
	case NetNone:
		c.plan.Namespaces = append(c.plan.Namespaces, Namespace{"net", "empty but for loopback"})
	case NetHost:
		sockets := " and abstract sockets of your desktop"
		if c.closesAbstract() {
			sockets = ""
		}
		c.note("the program shares the host's network: it can reach everything that you can, services on loopback"+sockets+" included", "")
	}
	c.plan.Net = n
	return nil
}

func (c *compiler) terminal() error {
	t, tty := TTYPlan{Mode: c.spec.TTY.Or(TTYAuto), From: c.spec.TTY.From.String()}, c.host.TTY
	filtered := c.spec.Seccomp.Or(SeccompDefault) != SeccompNone
	any := tty.Stdin || tty.Stdout || tty.Stderr
	switch t.Mode {
	case TTYAuto:
		switch {
		case tty.Stdin && tty.Stdout && tty.Foreground:
			t.Mode, t.Why = TTYNew, "a terminal of its own, so that nothing can be typed into yours"
		case any && !filtered:
			t.Mode, t.Why = TTYNew, "without a seccomp filter, a shared terminal could be typed into"
		case any:
			t.Mode, t.Why = TTYKeep, "part of a pipeline or in the background; the filter refuses TIOCSTI and TIOCLINUX"
		default:
			t.Mode, t.Why = TTYKeep, "no terminal"
		}
	case TTYKeep:
		if any && !filtered {
			c.note("the program shares your terminal without a seccomp filter: it can type into it (TIOCSTI)", "leave out --tty keep")
		}
	}
	c.plan.TTY = t
	return nil
}

func (c *compiler) limits() error {
	for _, l := range c.spec.Limits {
		if l.Name != limitTmpSize {
			c.plan.Limits = append(c.plan.Limits, l)
		}
	}
	return nil
}

const limitTmpSize = "tmp_size"

func (c *compiler) farewell() error {
	c.plan.Hostname = c.spec.Hostname.Or("cove")
	if c.spec.Seccomp.Or(SeccompDefault) == SeccompNone {
		c.note("no seccomp filter: the program may make every system call that the kernel lets an ordinary user make", "")
		return nil
	}
	if !c.host.Features.SeccompFilter.OK {
		return lack("cannot filter system calls: "+c.host.Features.SeccompFilter.Reason, "a profile can do without: [seccomp] mode = \"none\"")
	}
	if c.spec.Nesting.Value && c.plan.IDs.UID == 0 && c.plan.Caps == nil {
		// verify_root_map in the kernel (db2e718a4798, Linux 5.12).
		c.plan.Caps = []Cap{{"SETFCAP", "without it, no id could be mapped in the namespaces that root makes"}}
	}
	p := seccomp.Policy{Nesting: c.spec.Nesting.Value, SharedTTY: c.plan.TTY.Mode == TTYKeep}
	for _, cap := range c.plan.Caps {
		p.Chroot = p.Chroot || cap.Name == "SYS_CHROOT"
	}
	for _, a := range c.spec.SeccompAllow {
		p.Allow = append(p.Allow, a.Value)
	}
	for _, d := range c.spec.SeccompDeny {
		p.Deny = append(p.Deny, d.Value)
	}
	c.plan.Seccomp = &SeccompPlan{p, c.spec.Seccomp.From.String()}
	return nil
}
