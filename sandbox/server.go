package sandbox

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"cove/internal/landlock"
	"cove/internal/mount"
	"cove/internal/seccomp"
)

// A ServerPlan is the sandbox that fuse-overlayfs runs in. It is a C program that answers the sandboxed program's
// requests all day, and may come to be its puppet: it reads the home and writes the changes, and nothing else.
type ServerPlan struct {
	Ops     []mount.Op     `json:"ops"`     // its root, as Plan.Ops
	Options string         `json:"options"` // its mount options, with the layers as they are called in that root
	Caps    []Cap          `json:"caps,omitempty"`
	Seccomp seccomp.Policy `json:"seccomp"`

	Landlock landlock.Ruleset `json:"landlock,omitzero"` // as Plan.Landlock
}

// Where the layers are in the server's root. They are no paths of the host, in which a colon or a comma would break
// the options.
const (
	serverHome = "/lower"
	serverBox  = "/box"
	serverBase = "/base" // and a number
)

// serverRoot is what of the host a program needs to be started.
var serverRoot = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu", "/etc/ld.so.cache"}

// serverCaps are for files of subordinate ids, which it reads, copies and gives away.
var serverCaps = []Cap{{"CHOWN", ""}, {"DAC_OVERRIDE", ""}, {"FOWNER", ""}, {"FSETID", ""}}

// serverDeny is what a file server does not need. Without a socket it can reach no other process, whatever lies in the
// home.
var serverDeny = []string{"socket", "socketpair", "ptrace", "process_vm_readv", "process_vm_writev", "personality", "name_to_handle_at",
	"shmget", "semget", "msgget", "mq_open", "memfd_create", "pidfd_open", "pidfd_getfd"}

// server plans the sandbox of fuse-overlayfs, where it keeps the copy of the home.
func (c *compiler) server() error {
	if c.plan.Home.Backend != OverlayFuse {
		return nil
	}
	s := &compiler{host: c.host, plan: new(Plan)}
	s.place(mount.New("tmpfs", "/", "nosuid", "nodev", "mode=755"), regionOwn)
	for _, p := range serverRoot {
		s.show(p, ReadOnly, "", "")
	}
	if bin := c.host.Features.FuseOverlayBin; bin != "" {
		s.show(bin, ReadOnly, "", "")
	}
	s.place(mount.New("proc", "/proc", "ro", "nosuid", "nodev", "noexec"), regionKernel)

	s.place(mount.Bind(c.real, serverHome).With("ro", "nosuid", "nodev", "noexec").Because("your home, to read"), regionReadOnly)
	for _, p := range c.places {
		// What is hidden from the program is hidden from its puppet. (What is hidden but for something in it that is
		// let in is not in Front.)
		granted := func(q *place) bool { return q.region != regionMask && q.op.Target == p.op.Target }
		if p.region == regionMask && below(p.op.Target, c.real) && !slices.ContainsFunc(c.places, granted) {
			op := p.op
			op.Target = serverHome + p.op.Target[len(c.real):]
			s.add(place{op: op, region: regionMask, missing: p.missing || c.host.Files(p.op.Target).Kind == Missing})
		}
	}

	// Files are renamed from work to upper, which the kernel does only within one mount. So that is of the whole box;
	// what else is in it is held by mounts, for a mount point can be neither renamed nor removed.
	s.place(mount.Bind(c.box(""), serverBox).With("nosuid", "nodev", "noexec").Because("the box, to write upper and work"), regionWritable)
	held := []string{"lock", "box.json", "base"} // there as soon as the box is prepared
	lower := serverHome
	if !c.plan.Home.Front.Empty() {
		lower = serverBox + "/front:" + lower
		held = append(held, "front")
	}
	var bases []string
	for i, b := range c.host.Bases {
		bases = append(bases, serverBase+strconv.Itoa(i))
		s.place(mount.Bind(c.boxOf(b, "upper"), bases[i]).With("ro", "nosuid", "nodev", "noexec").Because("the changes in the box "+b+", to read"), regionReadOnly)
	}
	lower = strings.Join(append(bases, lower), ":")
	for _, name := range []string{"plan.json", "report.json"} {
		if c.host.Files(c.box(name)).Kind != Missing {
			held = append(held, name)
		}
	}
	for _, name := range held {
		s.place(mount.Op{Do: mount.Protect, Target: path.Join(serverBox, name), Options: readOnlyBind, Why: "cove's own"}, regionKernel)
	}
	if err := s.layout(); err != nil {
		return err
	}
	v := &ServerPlan{Ops: s.plan.Ops, Seccomp: seccomp.Policy{Deny: serverDeny}}
	v.Options = fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work,squash_to_uid=%d,squash_to_gid=%d", lower, serverBox, serverBox, c.plan.IDs.UID, c.plan.IDs.GID)
	if c.plan.IDs.Helper && c.plan.IDs.UID == 0 {
		v.Caps = serverCaps
	}
	if c.host.Features.Landlock.OK && c.spec.Landlock.Value != LandlockOff {
		v.Landlock = s.rules()
	}
	c.plan.Home.Server = v
	return nil
}
