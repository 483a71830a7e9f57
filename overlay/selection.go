package overlay

import (
	"path"
	"strings"
)

// A Selection is which changes are meant: those at the paths, and below. The zero Selection is all.
type Selection struct {
	named   map[string]*bool // whether it met a change
	implied map[string]bool  // what belongs to a named path
	above   map[string]bool  // directories on the way to them
}

// Select makes a Selection of paths relative to the home. They are cleaned; "." is all of it.
func Select(paths ...string) Selection {
	var s Selection
	if len(paths) == 0 {
		return s
	}
	s.named, s.implied, s.above = map[string]*bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range paths {
		p = path.Clean(p)
		s.named[p] = new(bool)
		for _, q := range companions(p) {
			s.implied[q] = true
		}
		for _, q := range append(companions(p), p) {
			for q != "." && q != "/" {
				q = path.Dir(q)
				s.above[q] = true
			}
		}
	}
	return s
}

// All tells whether everything is meant.
func (s Selection) All() bool { return s.named == nil }

// Has tells whether the change at p is meant.
func (s Selection) Has(p string) bool {
	if s.named == nil {
		return true
	}
	for q := p; ; q = path.Dir(q) {
		if s.named[q] != nil || s.implied[q] {
			return true
		}
		if q == "." || q == "/" {
			return false
		}
	}
}

// meet notes that there is a change at p.
func (s Selection) meet(p string) {
	for q := p; s.named != nil; q = path.Dir(q) {
		if met := s.named[q]; met != nil {
			*met = true
		}
		if q == "." || q == "/" {
			return
		}
	}
}

// Named tells whether p is one of the paths that were given.
func (s Selection) Named(p string) bool { return s.named[p] != nil }

// leadsTo tells whether p is a directory above something that is meant.
func (s Selection) leadsTo(p string) bool { return s.above[p] }

// unmet lists the paths at and below which nothing changed.
func (s Selection) unmet() (list []string) {
	for p, met := range s.named {
		if !*met {
			list = append(list, p)
		}
	}
	return list
}

// under tells whether p is dir or lies in it.
func under(p, dir string) bool {
	return p == dir || dir == "." || len(p) > len(dir) && p[len(dir)] == '/' && strings.HasPrefix(p, dir)
}
