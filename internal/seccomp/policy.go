package seccomp

import "fmt"

// A Policy says how a filter differs from the base. The zero Policy is the base.
//
// Where several have an opinion about a call, Deny wins over Allow, and Allow over all else.
type Policy struct {
	// Allow lists system calls that are allowed whatever their arguments. "clone" so lets new namespaces in,
	// "socket" every address family. "ioctl" changes nothing: what is refused of it stays refused, as TIOCSTI and
	// TIOCLINUX type into the terminal of whoever started the sandbox.
	Allow []string

	// Deny lists system calls that fail with EPERM; clone3 fails with ENOSYS, since with any other errno no
	// thread could start, by clone neither.
	Deny []string

	// Nesting allows what a sandbox inside the sandbox needs, as browsers and build tools start one: namespaces,
	// mounts, another root. The program gets capabilities over no more than it owns, but far more of the
	// kernel's code comes within its reach.
	Nesting bool

	// Chroot allows chroot(2), for a program that keeps CAP_SYS_CHROOT in its user namespace. It is all that
	// Docker's profile adds for the capabilities that its containers have by default.
	Chroot bool

	// SharedTTY says that the program's terminal is that of whoever started the sandbox: then ioctl(2) may not lock it,
	// nor change what the console behind it is like.
	SharedTTY bool `json:",omitempty"`
}

// nesting are the calls that Policy.Nesting allows. sethostname is what bubblewrap and cove itself call in their
// new UTS namespace.
var nesting = [...]string{
	"clone", "clone3", "setns", "unshare",
	"chroot", "mount", "pivot_root", "umount2",
	"fsconfig", "fsmount", "fsopen", "fspick", "mount_setattr", "move_mount", "open_tree",
	"sethostname",
}

// Compile makes the filter's program for an architecture, named as GOARCH. It fails for architectures other than
// amd64 and arm64, and for names that Check does not know. Names that only exist elsewhere have no effect.
func (p Policy) Compile(arch string) ([]Instruction, error) {
	m, ok := machineNamed(arch)
	if !ok {
		return nil, fmt.Errorf("cannot compile a system call filter for %q: only amd64 and arm64 are known", arch)
	}
	rulings, err := p.rulings(m)
	if err != nil {
		return nil, err
	}
	return assemble(m.audit, rulings[:]), nil
}

// rulings decides about every number of the architecture. What the table does not list is missing.
func (p Policy) rulings(m machine) (*[highest + 1]ruling, error) {
	r := new([highest + 1]ruling)
	for i := range calls {
		if n := calls[i].number[m.column]; n != none {
			r[n] = calls[i].base
		}
	}
	set := func(name string, to ruling) bool {
		i, ok := find(name)
		if !ok {
			return isElsewhere(name)
		}
		if n := calls[i].number[m.column]; n != none {
			r[n] = to
		}
		return true
	}
	if p.Nesting {
		for _, name := range nesting {
			set(name, allow)
		}
	}
	if p.Chroot {
		set("chroot", allow)
	}
	ioctl := unlessInjecting
	if p.SharedTTY {
		ioctl = unlessShared
		set("ioctl", ioctl)
	}
	for _, name := range p.Allow {
		to := allow
		if name == "ioctl" {
			to = ioctl
		}
		if !set(name, to) {
			return nil, unknown("allow", name)
		}
	}
	for _, name := range p.Deny {
		to := refuse
		if name == "clone3" {
			to = missing
		}
		if !set(name, to) {
			return nil, unknown("deny", name)
		}
	}
	return r, nil
}

func unknown(verb, name string) error {
	if s, _ := Check(name); s != "" {
		return fmt.Errorf("cannot %s the system call %q: there is none of that name; did you mean %q?", verb, name, s)
	}
	return fmt.Errorf("cannot %s the system call %q: there is none of that name; see syscalls(2)", verb, name)
}
