package overlay

import (
	"slices"
	"strings"
)

// A pathSet answers which of many paths are above or below one, in the time of a few comparisons: paths may be as long as
// a megabyte, so that to look up each directory above one would take for ever.
type pathSet struct {
	paths []string // in the order of Walk
	up    []int    // for each, the nearest that it lies in; -1
}

func newPathSet(paths []string) (s pathSet) {
	s.paths = slices.Compact(slices.SortedFunc(slices.Values(paths), inWalkOrder))
	s.up = make([]int, len(s.paths))
	last := -1
	for i, p := range s.paths {
		for last >= 0 && !under(p, s.paths[last]) {
			last = s.up[last]
		}
		s.up[i], last = last, i
	}
	return s
}

// above returns the nearest path of the set that p is, or lies in; -1 where there is none.
func (s *pathSet) above(p string) int {
	i, found := slices.BinarySearchFunc(s.paths, p, inWalkOrder)
	if found {
		return i
	}
	for i--; i >= 0 && !under(p, s.paths[i]); {
		i = s.up[i]
	}
	return i
}

// below returns the first path of the set that is p, or lies in it; -1 where there is none.
func (s *pathSet) below(p string) int {
	i, _ := slices.BinarySearchFunc(s.paths, p, inWalkOrder)
	if i < len(s.paths) && under(s.paths[i], p) {
		return i
	}
	return -1
}

// parentOf is path.Dir of a clean relative path.
func parentOf(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return "."
}

// inWalkOrder compares in the order of Walk, for package slices.
func inWalkOrder(a, b string) int {
	switch {
	case a == b:
		return 0
	case before(a, b):
		return -1
	}
	return 1
}

// before tells whether a comes before b in the order of Walk: names one by one, a directory before what is in it.
func before(a, b string) bool {
	if a == "." || b == "." {
		return a == "." && b != "."
	}
	n := min(len(a), len(b))
	i := 0
	for step := 4096; i < n; i += step { // most of what long paths have in common is passed over at once
		if step = min(step, n-i); a[i:i+step] != b[i:i+step] {
			break
		}
	}
	for ; i < n; i++ {
		switch {
		case a[i] == b[i]:
		case a[i] == '/' || b[i] == '/':
			return a[i] == '/'
		default:
			return a[i] < b[i]
		}
	}
	return len(a) < len(b)
}

// under tells whether p is dir or lies in it.
func under(p, dir string) bool {
	return p == dir || dir == "." || len(p) > len(dir) && p[len(dir)] == '/' && strings.HasPrefix(p, dir)
}
