package overlay

import "path"

// masks are what stood between the program and the home: paths relative to it.
type masks struct {
	hidden []string // what the program could not see
	exact  map[string]bool
	front  []string // and mount points: the directories above both were not the home's, but looked like them
}

func newMasks(hidden, mounts []string) (m masks) {
	for _, p := range hidden {
		if m.exact == nil {
			m.exact = make(map[string]bool, len(hidden)) // asked for every change
		}
		p = path.Clean(p)
		m.hidden, m.exact[p] = append(m.hidden, p), true
	}
	m.front = append(m.front, m.hidden...)
	for _, p := range mounts {
		m.front = append(m.front, path.Clean(p))
	}
	return m
}

// at tells whether p was hidden itself. The home itself is "".
func (m masks) at(p []byte) bool {
	if len(p) == 0 {
		return m.exact["."]
	}
	return m.exact[string(p)]
}

// frontDir tells whether p is a directory above what was hidden or mounted, so that its owner and extended
// attributes were not to be seen.
func (m masks) frontDir(p []byte) bool {
	for _, h := range m.front {
		if _, ok := below(h, p); ok {
			return true
		}
	}
	return false
}

// below returns the way from dir to what lies in it. The home itself is "".
func below(p string, dir []byte) (way string, ok bool) {
	if len(dir) == 0 {
		return p, p != "."
	}
	if len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == string(dir) {
		return p[len(dir)+1:], true
	}
	return "", false
}
