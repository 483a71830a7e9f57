package main

import (
	"path"
	"strings"

	"cove/internal/escape"
	"cove/overlay"
	"cove/profiles"
)

// dangers is the table of what is dangerous to change in a home, with what the user added to it.
func (a *app) dangers(home string) (*overlay.Dangers, error) {
	own, err := profiles.LoadDangers(a.lookup(), func(p string) error { return overlay.CheckDangerRule(overlay.DangerRule{Path: p}) })
	if err != nil {
		return nil, err
	}
	real := func(p string) string { // the home may be known by another way
		if rest, ok := strings.CutPrefix(p, a.home+"/"); ok {
			return path.Join(home, rest)
		}
		return p
	}
	o := overlay.DangerOptions{Home: home, Config: real(path.Dir(a.dirs.Config)), Data: real(path.Dir(a.dirs.Data)),
		Own: []string{real(a.dirs.Config), real(a.dirs.Data), real(a.dirs.Runtime)}}
	for p := range strings.SplitSeq(a.getenv("PATH"), ":") {
		if path.IsAbs(p) {
			o.Path = append(o.Path, real(p))
		}
	}
	for _, d := range own {
		o.Extra = append(o.Extra, overlay.DangerRule(d))
	}
	return overlay.NewDangers(o)
}

// danger is overlay.ApplyOptions.Danger: of the same table as cove diff's.
func (b *held) danger(d *overlay.Dangers) func(overlay.Change) (why string, name bool) {
	return func(c overlay.Change) (string, bool) {
		var whys []string
		name := false
		for _, h := range d.Judge(c, b.upper, b.home) {
			if h.Class != overlay.HazardHidden { // which is a conflict
				whys, name = append(whys, h.Why), name || h.Named
			}
		}
		if whys == nil {
			return "", false
		}
		return "is dangerous: " + escape.Text(strings.Join(whys, "; ")), name
	}
}
