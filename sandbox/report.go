package sandbox

import "time"

// A Report is what happened: launch makes it, cove run turns it into an exit status and a line for people,
// and it is kept in the box as report.json.
type Report struct {
	Box      string        `json:"box"`
	Command  []string      `json:"command"`
	ExitCode int           `json:"exit_code"`        // of the program; 128+n where a signal ended it
	Signal   int           `json:"signal,omitempty"` // the signal that ended it
	Started  time.Time     `json:"started"`
	Wall     time.Duration `json:"wall_ns"`
	User     time.Duration `json:"user_ns"`   // CPU time in user mode, of all processes that were waited for
	System   time.Duration `json:"system_ns"` // CPU time in the kernel
	MaxRSS   int64         `json:"max_rss_bytes"`
	Changes  int           `json:"changes"` // paths of the home that differ from the real home
	// RootChanges are the paths of a copy-on-write root that differ from the real one.
	RootChanges int      `json:"root_changes,omitempty"`
	Dropped     bool     `json:"dropped"` // the box was removed at exit
	Notes       []string `json:"notes,omitempty"`
}
