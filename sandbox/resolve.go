package sandbox

import (
	"path"
	"strings"
)

// A Look is what one path is, its parents holding no links, without following it.
type Look struct {
	Kind     Kind   // Missing, Directory, ...; not used where Link is set
	Link     string // the text of a symbolic link
	UID, GID int
	Mode     uint32
	MTime    int64
}

// Resolve follows p component by component, as the kernel does, and notes the links on the way. After 40 of them
// it gives up, as the kernel does (ELOOP), and calls the path Missing.
func Resolve(p string, look func(p string) Look) File {
	p = path.Clean(p)
	f := File{Path: p, Real: p}
	real, rest := "/", strings.Split(strings.Trim(p, "/"), "/")
	last := look("/")
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		at := path.Join(real, name) // "" and "." stay, ".." goes up, as there are no links in real
		if at == real {
			continue
		}
		last = look(at)
		switch {
		case last.Link != "":
			f.Links = append(f.Links, FileLink{at, last.Link})
			if len(f.Links) > 40 {
				f.Real = p
				return f
			}
			if path.IsAbs(last.Link) {
				real = "/"
			}
			rest = append(strings.Split(strings.Trim(last.Link, "/"), "/"), rest...)
			last = look(real)
			continue
		case last.Kind == Missing:
			f.Real = path.Join(append([]string{at}, rest...)...)
			return f
		}
		real = at
	}
	f.Real, f.Kind, f.UID, f.GID, f.Mode, f.MTime = real, last.Kind, last.UID, last.GID, last.Mode, last.MTime
	return f
}
