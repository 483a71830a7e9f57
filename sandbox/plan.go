package sandbox

import (
	"path"
	"slices"
	"strings"

	"cove/internal/mount"
	"cove/internal/seccomp"
	"cove/overlay"
	"cove/userns"
)

// A Plan is every step of building a sandbox, in order, with where each came from and why. It is made by
// Compile, printed by cove plan, carried out by package launch and kept in the box.
type Plan struct {
	Command []string `json:"command"`
	Workdir string   `json:"workdir"`
	// WorkdirFrom is who asked for that; "" where it is the directory that cove was started in.
	WorkdirFrom string       `json:"workdir_from,omitempty"`
	Env         []EnvVar     `json:"env"`
	IDs         userns.Map   `json:"ids"`
	Namespaces  []Namespace  `json:"namespaces"`
	Hostname    string       `json:"hostname"`
	Home        HomePlan     `json:"home"`
	Ops         []mount.Op   `json:"ops"`
	Classic     bool         `json:"classic,omitempty"` // mount(2) instead of the mount API of Linux 5.2 and 5.12
	Net         NetPlan      `json:"net"`
	TTY         TTYPlan      `json:"tty"`
	Limits      []Limit      `json:"limits,omitempty"`
	Caps        []Cap        `json:"caps"` // what the program keeps in its user namespace; empty for all but package managers
	Landlock    LandlockPlan `json:"landlock"`
	Seccomp     *SeccompPlan `json:"seccomp,omitempty"`
	Notes       []Note       `json:"notes,omitempty"`
}

// RootMade is what the plan itself makes in a copy-on-write root, by paths relative to it: mount points, the directories
// on the way to them, and links with what they say.
func (p *Plan) RootMade() map[string]string {
	if !p.Home.RootCow {
		return nil
	}
	made := map[string]string{}
	for _, op := range p.Ops {
		if op.Do != mount.Mkdir && op.Do != mount.File && op.Do != mount.Symlink {
			continue
		}
		for dir := path.Dir(op.Target); dir != "/"; dir = path.Dir(dir) {
			made[dir[1:]] = ""
		}
		made[op.Target[1:]] = op.Source // of a link
	}
	return made
}

// EnvVar is one variable of the program's environment.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// Has tells whether the sandbox gets a namespace of the given kind.
func (p *Plan) Has(kind string) bool {
	for _, n := range p.Namespaces {
		if n.Name == kind {
			return true
		}
	}
	return false
}

// Namespace is one kind of namespace(7) that the sandbox gets of its own.
type Namespace struct {
	Name string `json:"name"` // user, mnt, pid, ipc, uts, cgroup, net
	Why  string `json:"why,omitempty"`
}

// HomePlan says what the home directory is inside.
type HomePlan struct {
	Mode    string `json:"mode"` // HomeCow...
	Path    string `json:"path"` // where it is, inside
	From    string `json:"from"`
	Backend string `json:"backend,omitempty"` // kernel or fuse, with HomeCow
	Why     string `json:"why,omitempty"`
	// Front is what stands before the real home: names that are hidden and mount points that it lacks. What the
	// program makes at or below a hidden name is a change of something that it never saw.
	Front overlay.Front `json:"front,omitzero"`
	// Server is what fuse-overlayfs may do, with that backend.
	Server *ServerPlan `json:"server,omitempty"`
	// RootCow is true where the root directory is copy-on-write too.
	RootCow bool `json:"root_cow,omitempty"`

	hiding []hiding // of Front.Hide, in its order
}

// hiding is who hid the names of a Front: what is printed together.
type hiding struct {
	set, from string
	paths     int
	exist     []string // those that the home has
}

// hides notes that the mask p hides rest.
func (h *HomePlan) hides(p place, rest string) {
	from, set := p.op.From, ""
	if name, in, ok := strings.Cut(from, " (@"); ok && strings.HasSuffix(in, ")") { // as Origin.String has it
		from, set = name, "@"+strings.TrimSuffix(in, ")")
	}
	i := slices.IndexFunc(h.hiding, func(g hiding) bool { return g.set == set && g.from == from })
	if i < 0 {
		i, h.hiding = len(h.hiding), append(h.hiding, hiding{set: set, from: from})
	}
	g := &h.hiding[i]
	if g.paths++; !p.missing || set == "" {
		g.exist = append(g.exist, rest)
	}
}

// NetPlan says what the program can reach.
type NetPlan struct {
	Mode string `json:"mode"` // NetNone, NetHost
	From string `json:"from"`
}

// TTYPlan says which terminal the program gets.
type TTYPlan struct {
	Mode string `json:"mode"` // TTYNew or TTYKeep, decided
	From string `json:"from"`
	Why  string `json:"why,omitempty"`
}

// Cap is a Linux capability that the program keeps, by its name without CAP_.
type Cap struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// SeccompPlan is the filter of system calls.
type SeccompPlan struct {
	Policy seccomp.Policy `json:"policy"`
	From   string         `json:"from"`
}

// Note is what a user should know before the program runs: something asked for that this machine does
// differently, with what would mend it.
type Note struct {
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}
