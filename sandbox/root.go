package sandbox

import (
	"fmt"
	"path"
	"slices"

	"cove/internal/mount"
)

// hostRoot is what of the host's root directory is shown, where it exists.
var hostRoot = []struct{ path, why string }{
	{"/usr", "programs and libraries"},
	{"/bin", ""}, {"/sbin", ""}, {"/lib", ""}, {"/lib32", ""}, {"/lib64", ""}, {"/libx32", ""},
	{"/etc", "configuration"},
	{"/opt", "programs installed by hand"},
	{"/var", "data that programs look up; /var/tmp is empty"},
	{"/nix", "programs, on NixOS"},
	{"/gnu", "programs, on Guix"},
}

// ownDirs are always the sandbox's own, whatever the root is made from.
var ownDirs = []string{"/proc", "/dev", "/sys", "/tmp", "/run", "/home", "/root", "/mnt", "/media", "/srv", "/boot", "/lost+found"}

// Options of mounts.
var (
	readOnlyBind = []string{"ro", "nosuid", "nodev"}
	plainTmpfs   = []string{"nosuid", "nodev"}
)

func (c *compiler) root() error {
	if c.spec.Root.IsSet {
		if err := c.otherRoot(); err != nil {
			return err
		}
	} else {
		c.place(mount.New("tmpfs", "/", "nosuid", "nodev", "mode=755").Because("an empty root: what is not put here does not exist"), regionOwn)
		for _, r := range hostRoot {
			c.show(r.path, ReadOnly, "", r.why)
		}
		if c.host.Files("/var/tmp").Kind == Directory {
			c.place(mount.New("tmpfs", c.host.Files("/var/tmp").Real, "nosuid", "nodev", "mode=1777"), regionOwn)
		}
		// resolv.conf is a link into /run on most systems of today, and so may others be.
		for _, name := range c.host.Links("/etc") {
			f := c.host.Files("/etc/" + name)
			if f.Kind != Missing && below(f.Real, "/run") {
				c.show(f.Real, ReadOnly, "", "/etc/"+name+" is a link to it")
			}
		}
	}

	size := func(op mount.Op) mount.Op {
		for _, l := range c.spec.Limits {
			if l.Name == limitTmpSize {
				return op.With(fmt.Sprintf("size=%d", l.Value)).By(l.From.String())
			}
		}
		return op
	}
	c.place(size(mount.New("tmpfs", "/tmp", "nosuid", "nodev", "mode=1777")), regionOwn)
	c.place(mount.New("tmpfs", "/run", "nosuid", "nodev", "mode=755"), regionOwn)
	c.place(mount.New("tmpfs", c.runtimeDir(), "nosuid", "nodev", "mode=700").Because("XDG_RUNTIME_DIR"), regionOwn)

	c.procfs()

	c.place(mount.New("tmpfs", "/dev", "nosuid", "noexec", "mode=755").Because("a minimal /dev"), regionOwn)
	c.place(size(mount.New("tmpfs", "/dev/shm", "nosuid", "nodev", "mode=1777")), regionOwn)
	c.place(mount.New("devpts", "/dev/pts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=620").Because("terminals of its own"), regionKernel)
	c.place(mount.New("mqueue", "/dev/mqueue", "nosuid", "nodev", "noexec"), regionKernel)
	c.links = append(c.links,
		mount.Link("pts/ptmx", "/dev/ptmx"),
		mount.Link("/proc/self/fd", "/dev/fd"),
		mount.Link("/proc/self/fd/0", "/dev/stdin"),
		mount.Link("/proc/self/fd/1", "/dev/stdout"),
		mount.Link("/proc/self/fd/2", "/dev/stderr"))
	return nil
}

// Stock are the file systems that every sandbox mounts somewhere, whatever is planned: they can be made before there is a
// plan (mount.NewAPI.Stock). TestStock holds it to what is planned.
func Stock() []mount.Op {
	all := []mount.Op{
		mount.New("proc", "", "nosuid", "nodev", "noexec"),
		mount.New("devpts", "", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=620"),
		mount.New("tmpfs", "", "nosuid", "noexec", "mode=755"), // /dev
	}
	for _, mode := range []string{"mode=755", "mode=755", "mode=1777", "mode=1777", "mode=1777", "mode=700"} {
		all = append(all, mount.New("tmpfs", "", "nosuid", "nodev", mode))
	}
	return all
}

// rootProc is what of /proc only root may open: where things lie in the kernel's memory, whose pages are whose, how many
// characters came over serial lines; and what only root may write.
var rootProc = []string{"/proc/allocinfo", "/proc/bootconfig", "/proc/dynamic_debug", "/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/mtrr",
	"/proc/pagetypeinfo", "/proc/pressure", "/proc/slabinfo", "/proc/tty/driver", "/proc/vmallocinfo", "/proc/vmcore"}

// procfs adds /proc, with what in it is the kernel's covered, as runc does by default.
//
// To an ordinary user those files are closed, or tell what they tell every user of the host; but to root (cove run by
// root maps 0 to 0) they are the kernel's own: /proc/sys asks for uid 0 and for no capability (proc_sys_permission). So
// for root they are always covered. For others not where the program may make sandboxes of its own: these need a /proc
// of theirs, and the kernel allows one only where another is to be seen whole (mount_too_revealing, 1b852bceb0d1).
func (c *compiler) procfs() {
	proc := mount.New("proc", "/proc", "nosuid", "nodev", "noexec").Because("only the sandbox's own processes")
	if nesting := c.spec.Nesting; nesting.Value && c.host.User.UID != 0 {
		c.place(proc.By(nesting.From.String()).Because(proc.Why+"; nothing in it is covered, or no sandbox in it could have one"), regionKernel)
		return
	} else if nesting.Value {
		c.note("sandboxes that the program makes can have no /proc of their own: for root, parts of /proc stay covered", "run cove as an ordinary user")
	}
	c.place(proc, regionKernel)
	for _, p := range []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"} {
		c.kernelFile(p, mount.Op{Do: mount.Protect, Target: p, Options: readOnlyBind})
	}
	for _, p := range []string{"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/proc/kallsyms", "/proc/kmsg"} {
		c.kernelFile(p, mount.Op{Do: mount.Mask, Target: p})
	}
	if c.host.User.UID == 0 {
		for _, p := range rootProc {
			c.kernelFile(p, mount.Op{Do: mount.Mask, Target: p})
		}
	}
}

// kernelFile adds an op on a file of /proc, where the kernel has it.
func (c *compiler) kernelFile(p string, op mount.Op) {
	f := c.host.Files(p)
	switch f.Kind {
	case Missing:
		return
	case Directory:
		op.Type = typeDir
	default:
		op.Type = typeFile
	}
	if op.Do == mount.Protect {
		op.Type = ""
	}
	c.place(op, regionKernel)
}

// runtimeDir is XDG_RUNTIME_DIR inside.
func (c *compiler) runtimeDir() string { return fmt.Sprintf("/run/user/%d", c.plan.IDs.UID) }

// otherRoot shows the root directory of another distribution.
func (c *compiler) otherRoot() error {
	s := c.spec.Root
	dir := c.host.Files(c.expand(s.Value))
	if dir.Kind != Directory {
		return &SpecError{s.From, fmt.Sprintf("cannot use %s as the root: it is no directory", s.Value), ""}
	}
	if dir.Real == "/" {
		return &SpecError{s.From, "cannot use / as the root: that is the host", "leave --root out"}
	}
	if c.spec.RootCow.Value {
		if !c.host.Features.KernelOverlay.OK {
			return lack("cannot make the root copy-on-write: "+c.host.Features.KernelOverlay.Reason, "leave --root-cow out to have it read-only")
		}
		c.plan.Home.RootCow = true
		layers := &mount.Layers{Backend: OverlayKernel, Lower: []string{dir.Real}, Upper: c.box("root-upper"), Work: c.box("root-work"), Volatile: c.spec.Drop}
		for _, b := range c.host.Bases {
			if p := c.boxOf(b, "root-upper"); c.host.Files(p).Kind == Directory {
				layers.Base = append(layers.Base, p)
			}
		}
		layers.Nested = len(layers.Base) > 0 && below(layers.Upper, dir.Real)
		c.place(mount.Op{Do: mount.Overlay, Target: "/", Options: plainTmpfs, From: s.From.String(), Why: "another root; changes to it stay in the box", Layers: layers}, regionOwn)
		return nil
	}
	c.place(mount.New("tmpfs", "/", "nosuid", "nodev", "mode=755").Because("an empty root: what is not put here does not exist"), regionOwn)
	for _, name := range c.host.List(dir.Real) {
		target := "/" + name
		if slices.Contains(ownDirs, target) {
			continue
		}
		f := c.host.Files(path.Join(dir.Real, name))
		if len(f.Links) > 0 {
			// A link of that root: its text is meant to be read inside.
			c.links = append(c.links, mount.Link(f.Links[len(f.Links)-1].Text, target).By(s.From.String()))
			for _, l := range f.Links {
				if l.Path == path.Join(dir.Real, name) {
					c.links[len(c.links)-1].Source = l.Text
				}
			}
			continue
		}
		if f.Kind == Directory || f.Kind == Regular {
			op := mount.Bind(f.Real, target).With(readOnlyBind...).By(s.From.String())
			c.placeBind(op, f, regionReadOnly)
		}
	}
	return nil
}

// baseDevices are the devices that every program expects.
var baseDevices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}

func (c *compiler) devices() error {
	add := func(p, from string) bool {
		f := c.host.Files(p)
		if f.Kind == Missing {
			return false
		}
		// nodev would make the nodes useless; they are the host's own, with the host's permissions.
		c.placeBind(mount.Bind(f.Real, p).With("nosuid", "noexec").By(from), f, regionKernel)
		return true
	}
	for _, p := range baseDevices {
		add(p, "")
	}
	for _, d := range c.spec.Devices {
		p := d.Value
		if !path.IsAbs(p) {
			p = path.Join("/dev", p)
		}
		p = path.Clean(p)
		if !below(p, "/dev") || p == "/dev" {
			return &SpecError{d.From, fmt.Sprintf("cannot allow the device %s: it is not below /dev", d.Value), ""}
		}
		if !add(p, d.From.String()) {
			return &SpecError{d.From, fmt.Sprintf("cannot allow the device %s: this machine has none", d.Value), ""}
		}
	}
	return nil
}
