package box

import "time"

// Meta is box.json: what must be known of a box to go on with it, or to say what changed in it.
type Meta struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Home    string    `json:"home,omitempty"`    // the directory that upper lies over
	Backend string    `json:"backend,omitempty"` // kernel or fuse: their uppers are written differently
	Subids  bool      `json:"subids,omitempty"`  // files in it may belong to subordinate ids
	// Masks are the paths, relative to Home, that were hidden in any run. The program never saw what is really
	// there, so a change at or below one must not be brought into the real home as if it had.
	Masks []string `json:"masks,omitempty"`
	// Root is the root directory that root-upper lies over; "" where the box has no copy-on-write root.
	Root string `json:"root,omitempty"`
	// Made are the paths, relative to Root, that cove made in root-upper for any run: mount points, the ways to them,
	// and links, with what these say.
	Made map[string]string `json:"made,omitempty"`
	Runs []Run             `json:"runs,omitempty"`
	// Generated is true where nobody chose the name. What holds nothing and has no name of its own nobody misses.
	Generated bool `json:"generated,omitempty"`
	// Base is the box that this one was branched from: its changes lie between those of this one and Home.
	Base string `json:"base,omitempty"`
	// Branches are boxes that were branched from this one. Some may be gone: Box.Branches tells.
	Branches []string `json:"branches,omitempty"`
	// Tally is what the box held when its last run ended. Whoever changes its layers otherwise sets it to nil.
	Tally *Tally `json:"tally,omitempty"`
	// Suspect is true where the machine went down during a run: what the program wrote last may be missing.
	Suspect bool `json:"suspect,omitempty"`
}

// A Run is one time that a program ran in the box.
type Run struct {
	// T0 is the ctime of a file written just before the home was mounted, by the clock of the box's file system:
	// what has a later ctime in the real home was changed there since.
	T0     time.Time  `json:"t0"`
	End    *time.Time `json:"end,omitempty"` // nil while it lasts, and where cove was killed
	BootID string     `json:"boot_id"`
	Cwd    string     `json:"cwd,omitempty"` // the directory in which cove was started
}

// A Tally says how much there is in a box.
type Tally struct {
	Changes int   `json:"changes"` // paths that differ from the home
	Bytes   int64 `json:"bytes"`   // on disk
}

// maxRuns bounds box.json. The first run is kept for its T0.
const maxRuns = 64

// begin adds a run, and tells whether the one before it was cut short by the machine going down.
func (m *Meta) begin(r Run) {
	if n := len(m.Runs); n > 0 && m.Runs[n-1].End == nil && m.Runs[n-1].BootID != r.BootID {
		m.Suspect = true
	}
	if len(m.Runs) >= maxRuns {
		m.Runs = append(m.Runs[:1:1], m.Runs[2:]...)
	}
	m.Runs = append(m.Runs, r)
}
