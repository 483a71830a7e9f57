package overlay

import "path"

// A Selection is which changes are meant: those at the paths, and below. The zero Selection is all.
type Selection struct {
	named map[string]bool // what was given
	met   map[string]bool // of that, where there was a change
	all   pathSet         // and what belongs to it
}

// Select makes a Selection of paths relative to the home. They are cleaned; "." is all of it.
func Select(paths ...string) Selection {
	var s Selection
	if len(paths) == 0 {
		return s
	}
	s.named, s.met = map[string]bool{}, map[string]bool{}
	var all []string
	for _, p := range paths {
		p = path.Clean(p)
		s.named[p] = true
		all = append(append(all, p), companions(p)...)
	}
	s.all = newPathSet(all)
	return s
}

// All tells whether everything is meant.
func (s *Selection) All() bool { return s.named == nil }

// Has tells whether the change at p is meant.
func (s *Selection) Has(p string) bool { return s.named == nil || s.all.above(p) >= 0 }

// meet notes that there is a change at p.
func (s *Selection) meet(p string) {
	if s.named == nil {
		return
	}
	for i := s.all.above(p); i >= 0; i = s.all.up[i] {
		if s.named[s.all.paths[i]] {
			s.met[s.all.paths[i]] = true
		}
	}
}

// Named tells whether p is one of the paths that were given.
func (s *Selection) Named(p string) bool { return s.named[p] }

// leadsTo tells whether p is a directory above something that is meant.
func (s *Selection) leadsTo(p string) bool { return s.named != nil && s.all.below(p) >= 0 }

// unmet lists the paths at and below which nothing changed.
func (s *Selection) unmet() (list []string) {
	for p := range s.named {
		if !s.met[p] {
			list = append(list, p)
		}
	}
	return list
}
