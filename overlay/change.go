package overlay

import (
	"encoding/json"
	"strconv"
)

// A Kind is how a path differs from the real home: the letter that cove diff prints.
type Kind string

const (
	Added    Kind = "A" // the home has nothing there. A directory, and one each for all that is in it
	Modified Kind = "M" // other bytes, or a link with another target
	Deleted  Kind = "D" // a directory once, with all that is in it
	Retyped  Kind = "T" // another type of file. What was in a directory is gone with it; what is in one is Added
	Meta     Kind = "m" // the same content, but Flags of the Diff sort
	Replaced Kind = "R" // a directory that was removed and made anew. What differs in it follows, one by one
)

// A Change is one path that differs. As JSON it is an object with the names below. Where Path is not UTF-8, path is
// missing and path_base64 has its bytes.
type Change struct {
	Path   string // "path": relative to the home, clean, any bytes but NUL; "." is the home itself
	Kind   Kind   // "kind"
	Flags  Flags  // "flags", missing if there are none
	Before Attr   // "before": in the real home, as it is now; missing where nothing is there
	After  Attr   // "after": as the program left it; missing where nothing is there
}

// String is a line for a log, with the path quoted. It is not what users read.
func (c Change) String() string {
	s := string(c.Kind) + " " + strconv.Quote(c.Path)
	if c.Flags != 0 {
		s += " (" + c.Flags.String() + ")"
	}
	return s
}

type changeJSON struct {
	Path       string `json:"path,omitempty"`
	PathBase64 []byte `json:"path_base64,omitempty"`
	Kind       Kind   `json:"kind"`
	Flags      Flags  `json:"flags,omitempty"`
	Before     *Attr  `json:"before,omitempty"`
	After      *Attr  `json:"after,omitempty"`
}

func (c Change) MarshalJSON() ([]byte, error) {
	j := changeJSON{Kind: c.Kind, Flags: c.Flags}
	j.Path, j.PathBase64 = textOrBytes(c.Path)
	if c.Before.Type != TypeAbsent {
		j.Before = &c.Before
	}
	if c.After.Type != TypeAbsent {
		j.After = &c.After
	}
	return json.Marshal(j)
}

func (c *Change) UnmarshalJSON(text []byte) error {
	var j changeJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*c = Change{Path: j.Path + string(j.PathBase64), Kind: j.Kind, Flags: j.Flags}
	if j.Before != nil {
		c.Before = *j.Before
	}
	if j.After != nil {
		c.After = *j.After
	}
	return nil
}
