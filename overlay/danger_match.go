package overlay

import (
	"cmp"
	"slices"
	"strings"
)

// A fork is a place between two parts of the paths in the table: they are kept as a tree, so that a path is compared
// with all of them at once, part by part. Where it stands in several places of the tree it goes on from each.
//
//	.config ─┬─ systemd ── user ── **
//	         └─ *-mimeapps.list
//	**  (stays) ── .git ── hooks ── **
type fork struct {
	next  map[string]*fork
	globs []glob
	deep  *fork   // behind a part ** in the middle: it stays while the path goes on
	stay  bool    // it is such
	here  []int32 // rows that mean what is here
	below []int32 // rows that mean all that is below

	// The first row that means something further down: any, and one that matters when it is taken away; -1 for none.
	// Neither goes for what is looked for everywhere.
	first, gone int32
	anywhere    bool
}

type glob struct {
	pattern string
	fork    *fork
}

// A hit is a row that means a path, or something about it.
type hit struct {
	row int32
	how uint8
}

const (
	hitHere  uint8 = iota // the path itself
	hitBelow              // it lies in a directory all of which the row means
	hitAbove              // what the row means lies in it
)

func (f *fork) child(part string) *fork {
	if !strings.ContainsAny(part, `*\`) {
		if f.next == nil {
			f.next = map[string]*fork{}
		}
		if f.next[part] == nil {
			f.next[part] = &fork{anywhere: f.anywhere}
		}
		return f.next[part]
	}
	for _, g := range f.globs {
		if g.pattern == part {
			return g.fork
		}
	}
	g := glob{part, &fork{anywhere: f.anywhere}}
	f.globs = append(f.globs, g)
	return g.fork
}

// add adds a path that means a row.
func (f *fork) add(pattern string, row int32) {
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		switch {
		case part != "**":
			f = f.child(part)
		case i == len(parts)-1:
			f.below = append(f.below, row)
			return
		default:
			if f.deep == nil {
				f.deep = &fork{stay: true, anywhere: true}
			}
			f = f.deep
		}
	}
	f.here = append(f.here, row)
}

// finish fills in what is known only when all was added.
func (f *fork) finish(rows []danger) (first, gone int32) {
	f.first, f.gone = -1, -1
	lower := func(first, gone int32) {
		if first >= 0 && (f.first < 0 || first < f.first) {
			f.first = first
		}
		if gone >= 0 && (f.gone < 0 || gone < f.gone) {
			f.gone = gone
		}
	}
	each := func(list []int32) {
		for _, r := range list {
			if rows[r].when == whenGone {
				lower(r, r)
			} else {
				lower(r, -1)
			}
		}
	}
	each(f.below)
	for _, k := range f.next {
		lower(k.finish(rows))
	}
	for _, g := range f.globs {
		lower(g.fork.finish(rows))
	}
	if f.deep != nil {
		lower(f.deep.finish(rows))
	}
	first, gone = f.first, f.gone
	for _, r := range f.here {
		if first < 0 || r < first {
			first = r
		}
		if rows[r].when == whenGone && (gone < 0 || r < gone) {
			gone = r
		}
	}
	return first, gone
}

// match appends to hits the rows that mean the path, in the order of the table, each once. With link, one too that
// means what would be found through a link there, and with dir one that means what was in a directory there.
func (f *fork) match(hits []hit, p string, link, dir bool) []hit {
	var a, b [12]*fork
	at, then := appendFork(a[:0], f), b[:0]
	for p != "" {
		part, rest, more := strings.Cut(p, "/")
		if p = rest; !more {
			p = ""
		}
		then = then[:0]
		for _, f := range at {
			for _, r := range f.below {
				hits = append(hits, hit{r, hitBelow})
			}
			if f.stay && !slices.Contains(then, f) {
				then = append(then, f)
			}
			k := f.next[part]
			if k != nil {
				then = appendFork(then, k)
			}
			for _, g := range f.globs {
				if globMatch(g.pattern, part) {
					then = appendFork(then, g.fork)
				}
			}
		}
		at, then = then, at
	}
	for _, f := range at {
		for _, r := range f.here {
			hits = append(hits, hit{r, hitHere})
		}
		switch {
		case f.stay: // the path may be anything
		case link && f.first >= 0:
			hits = append(hits, hit{f.first, hitAbove})
		case dir && f.gone >= 0 && !f.anywhere:
			hits = append(hits, hit{f.gone, hitAbove})
		}
	}
	if len(hits) > 1 {
		slices.SortFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.how, b.how)) })
		hits = slices.CompactFunc(hits, func(a, b hit) bool { return a.row == b.row })
	}
	return hits
}

// appendFork adds a place, and those behind parts ** that may stand for nothing. Only these can be there already.
func appendFork(list []*fork, f *fork) []*fork {
	list = append(list, f)
	for f = f.deep; f != nil && !slices.Contains(list, f); f = f.deep {
		list = append(list, f)
	}
	return list
}

// literal makes a pattern of a path that may hold stars: a backslash stands before each.
func literal(p string) string {
	if !strings.ContainsAny(p, `*\`) {
		return p
	}
	return strings.NewReplacer(`*`, `\*`, `\`, `\\`).Replace(p)
}

// globMatch compares one part of a path. It takes time proportional to the product of the lengths, and no more.
func globMatch(pattern, name string) bool {
	p, n := 0, 0
	star, mark := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
			continue
		case p+1 < len(pattern) && pattern[p] == '\\' && pattern[p+1] == name[n]:
			p, n = p+2, n+1
			continue
		case p < len(pattern) && pattern[p] != '\\' && pattern[p] == name[n]:
			p, n = p+1, n+1
			continue
		case star >= 0:
			mark++
			p, n = star+1, mark
			continue
		}
		return false
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
