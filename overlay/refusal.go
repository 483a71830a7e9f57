package overlay

import (
	"encoding/json"
	"strconv"
)

// A Cause is why a change was not made.
type Cause string

const (
	Dangerous    Cause = "dangerous"   // it may run code later, or widen access, and was not named
	Conflict     Cause = "conflict"    // what is really there is not what the program began with
	SpecialFile  Cause = "special"     // a device, a socket, or a fifo that was not asked for
	Unreadable   Cause = "unreadable"  // the user may not read it
	OwnState     Cause = "own-state"   // cove's own configuration or data
	Together     Cause = "together"    // it belongs to something that was refused
	WithoutAbove Cause = "above"       // it needs another change, above it, that was not asked for
	Forbidden    Cause = "not-allowed" // the kernel did not allow it
)

// A Refusal is a change that was not made.
type Refusal struct {
	Path  string
	Kind  Kind // "" where it belongs to another change: a file in a directory that was added
	Cause Cause
	Why   string // more, for people; it begins with a verb
}

// A Made is a change that was made, or would be; with everything in it.
type Made struct {
	Path  string
	Kind  Kind
	Flags Flags
	Paths int // how many paths changed with it, itself included
}

func (r Refusal) String() string {
	return string(r.Cause) + " " + strconv.Quote(r.Path) + " " + r.Why
}

func (r Refusal) MarshalJSON() ([]byte, error) {
	j := struct {
		Path       string `json:"path,omitempty"`
		PathBase64 []byte `json:"path_base64,omitempty"`
		Kind       Kind   `json:"kind,omitempty"`
		Cause      Cause  `json:"cause"`
		Why        string `json:"why,omitempty"`
	}{Kind: r.Kind, Cause: r.Cause, Why: r.Why}
	j.Path, j.PathBase64 = textOrBytes(r.Path)
	return json.Marshal(j)
}

func (m Made) MarshalJSON() ([]byte, error) {
	j := struct {
		Path       string `json:"path,omitempty"`
		PathBase64 []byte `json:"path_base64,omitempty"`
		Kind       Kind   `json:"kind"`
		Flags      Flags  `json:"flags,omitempty"`
		Paths      int    `json:"paths"`
	}{Kind: m.Kind, Flags: m.Flags, Paths: m.Paths}
	j.Path, j.PathBase64 = textOrBytes(m.Path)
	return json.Marshal(j)
}
