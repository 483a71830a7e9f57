package overlay

import (
	"path"
	"slices"
	"strings"
)

// A Front is a layer that stands before the home. Paths are relative to the home, clean and without "..".
type Front struct {
	Hide  []string // what the program shall not find: whiteouts
	Dirs  []string // mount points that the home lacks, or that lie in what is hidden
	Files []string
}

// An EntryKind is what a FrontEntry is made as.
type EntryKind string

const (
	Whiteout  EntryKind = "whiteout" // a character device 0:0: overlayfs shows nothing there
	EmptyDir  EntryKind = "dir"      // an empty directory; merges with the home's, if there is one
	OpaqueDir EntryKind = "opaque"   // an empty directory that hides the home's
	EmptyFile EntryKind = "file"
)

// A FrontEntry is one file to be made in a Front's directory.
type FrontEntry struct {
	Path string
	Kind EntryKind
	Mode uint32 // permission bits
	// Like is true where the entry merges with a directory of the home and must look like it, as overlayfs shows
	// the attributes of the topmost layer.
	Like bool
}

const (
	typeMask = 0o170000
	typeDir  = 0o040000
)

// Entries lists what the layer holds, parents first. Attr returns the st_mode of a path of the home, links not
// followed; ok is false where nothing is there.
//
// What is hidden stays hidden: a mount point in it is made in an opaque directory. Hiding what lies in a directory
// that does not exist, or is none, needs no entry; making one would make the directory appear.
func (f Front) Entries(attr func(rel string) (mode uint32, ok bool)) []FrontEntry {
	made := map[string]FrontEntry{}
	hidden := func(rel string) bool {
		return slices.ContainsFunc(f.Hide, func(h string) bool { return within(rel, h) })
	}
	// parents makes the directories above rel; with strict only such as the home has.
	parents := func(rel string, strict bool) bool {
		var need []string
		for d := path.Dir(rel); d != "."; d = path.Dir(d) {
			need = append(need, d)
		}
		slices.Reverse(need)
		if strict {
			for _, d := range need {
				if mode, ok := attr(d); !ok || mode&typeMask != typeDir {
					return false
				}
			}
		}
		for _, d := range need {
			if e, ok := made[d]; ok && e.Kind != Whiteout {
				continue
			}
			e := FrontEntry{Path: d, Kind: EmptyDir, Mode: 0o755}
			mode, ok := attr(d)
			switch {
			case slices.Contains(f.Hide, d):
				e.Kind = OpaqueDir
			case ok && mode&typeMask == typeDir && !hidden(d):
				e.Mode, e.Like = mode&0o7777, true
			}
			made[d] = e
		}
		return true
	}
	add := func(rel string, kind EntryKind, mode uint32) {
		parents(rel, false)
		if e, ok := made[rel]; ok && (e.Kind == EmptyDir || e.Kind == OpaqueDir) {
			return // already there, for what lies in it
		}
		made[rel] = FrontEntry{Path: rel, Kind: kind, Mode: mode}
	}
	for _, rel := range f.Files {
		add(rel, EmptyFile, 0o644)
	}
	for _, rel := range f.Dirs {
		kind, like := EmptyDir, false
		mode := uint32(0o755)
		if slices.Contains(f.Hide, rel) {
			kind = OpaqueDir
		} else if m, ok := attr(rel); ok && m&typeMask == typeDir && !hidden(rel) {
			mode, like = m&0o7777, true
		}
		add(rel, kind, mode)
		if e := made[rel]; like && e.Kind == EmptyDir {
			e.Like = true
			made[rel] = e
		}
	}
	for _, rel := range f.Hide {
		if rel == "" || rel == "." || slices.ContainsFunc(f.Hide, func(h string) bool { return h != rel && within(rel, h) }) {
			continue // it lies in what is hidden
		}
		if _, ok := made[rel]; ok {
			continue // a mount point, or a directory that holds one: opaque
		}
		if parents(rel, true) {
			made[rel] = FrontEntry{Path: rel, Kind: Whiteout}
		}
	}
	entries := make([]FrontEntry, 0, len(made))
	for _, e := range made {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b FrontEntry) int { return strings.Compare(a.Path, b.Path) })
	return entries
}

// within tells whether rel is dir or lies in it.
func within(rel, dir string) bool {
	return rel == dir || strings.HasPrefix(rel, dir) && rel[len(dir)] == '/'
}
