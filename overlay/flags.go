package overlay

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Flags say what differs besides the content, and what a reviewer must know. As JSON they are an array of words.
type Flags uint16

const (
	DiffMode  Flags = 1 << iota // permission bits
	DiffOwner                   // user or group
	DiffXattr                   // extended attributes or ACLs; looked for in directories, and in files of equal content
	DiffTime                    // time of modification, of regular files

	Setuid     // runs as its owner, and the real one does not
	Setgid     // runs as its group, and the real one does not
	Capability // an executable with file capabilities that the real one does not have
	HardLink   // the real file has other names, which keep the old content
	Hidden     // the program never saw what is really there
	Special    // a fifo, a socket or a device would come into the home
)

var flagNames = []struct {
	flag Flags
	name string
}{
	{DiffMode, "mode"},
	{DiffOwner, "owner"},
	{DiffXattr, "xattr"},
	{DiffTime, "mtime"},
	{Setuid, "setuid"},
	{Setgid, "setgid"},
	{Capability, "capability"},
	{HardLink, "hard-link"},
	{Hidden, "hidden"},
	{Special, "special"},
}

// Has tells whether any of other is set.
func (f Flags) Has(other Flags) bool { return f&other != 0 }

// Names lists the flags that are set, always in the same order.
func (f Flags) Names() []string {
	names := []string{}
	for _, n := range flagNames {
		if f.Has(n.flag) {
			names = append(names, n.name)
		}
	}
	return names
}

func (f Flags) String() string { return strings.Join(f.Names(), ",") }

func (f Flags) MarshalJSON() ([]byte, error) { return json.Marshal(f.Names()) }

func (f *Flags) UnmarshalJSON(text []byte) error {
	var names []string
	if err := json.Unmarshal(text, &names); err != nil {
		return err
	}
	*f = 0
	for _, name := range names {
		i := slices.IndexFunc(flagNames, func(n struct {
			flag Flags
			name string
		}) bool {
			return n.name == name
		})
		if i < 0 {
			return fmt.Errorf("unknown flag %q of a change", name)
		}
		*f |= flagNames[i].flag
	}
	return nil
}
