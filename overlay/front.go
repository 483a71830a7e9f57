package overlay

import (
	"path"
	"slices"
	"strings"

	"cove/internal/mount"
)

// A Front is what stands before the home. Paths are relative to the home, clean and without "..".
type Front struct {
	Hide  []string `json:"hide,omitempty"` // what the program shall not find
	Dirs  []string `json:"dirs,omitempty"` // mount points that the home lacks
	Files []string `json:"files,omitempty"`
}

// Empty tells whether nothing stands before the home.
func (f Front) Empty() bool { return len(f.Hide)+len(f.Dirs)+len(f.Files) == 0 }

// Entries lists what the layer before the home holds, parents first. Attr tells of a directory of the home, links not
// followed; ok is false where rel is none.
//
// What is hidden stays hidden: a mount point in it is made in an opaque directory. Hiding what lies in a directory
// that does not exist, or is none, needs no entry, and must have none: it would make the directory appear, and
// overlayfs shows whiteouts in a directory that only one layer has.
func (f Front) Entries(attr func(rel string) (mode uint32, mtime int64, ok bool)) []mount.Entry {
	made := map[string]mount.Entry{}
	hide := make(map[string]bool, len(f.Hide)) // a profile may hide hundreds
	for _, rel := range f.Hide {
		hide[rel] = true
	}
	// inHidden tells whether a directory that rel lies in is hidden.
	inHidden := func(rel string) bool {
		for i := strings.LastIndexByte(rel, '/'); i > 0; i = strings.LastIndexByte(rel[:i], '/') {
			if hide[rel[:i]] {
				return true
			}
		}
		return false
	}
	// dir makes a directory that merges with the home's, if there is one and it is not hidden.
	dir := func(rel string) {
		if e, ok := made[rel]; ok && e.Kind != mount.Hide {
			return
		}
		e := mount.Entry{Name: rel, Kind: mount.EntryDir}
		mode, mtime, ok := attr(rel)
		switch {
		case ok && hide[rel]:
			e.Kind = mount.EntryOpaque
		case ok && !inHidden(rel):
			// The topmost layer's attributes are those that show.
			e.Mode, e.MTime = mode, mtime
		}
		made[rel] = e
	}
	parents := func(rel string) {
		for d := path.Dir(rel); d != "."; d = path.Dir(d) {
			dir(d)
		}
	}
	for _, rel := range f.Files {
		parents(rel)
		if _, ok := made[rel]; !ok {
			made[rel] = mount.Entry{Name: rel, Kind: mount.EntryFile}
		}
	}
	for _, rel := range f.Dirs {
		parents(rel)
		dir(rel)
	}
	for _, rel := range f.Hide {
		if rel == "" || rel == "." || inHidden(rel) {
			continue
		}
		if _, ok := made[rel]; ok {
			continue // a mount point, or a directory that holds one
		}
		if up := path.Dir(rel); up != "." {
			if _, _, ok := attr(up); !ok {
				continue
			}
			parents(rel)
		}
		made[rel] = mount.Entry{Name: rel, Kind: mount.Hide}
	}
	entries := make([]mount.Entry, 0, len(made))
	for _, e := range made {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b mount.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries
}
