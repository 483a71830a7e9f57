package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"cove/internal/escape"
	"cove/overlay"
)

// What cove apply, undo and discard say.

// made answers with a line for each change, as cove diff does: that of a directory stands for all that is in it.
func (u *ui) made(list []overlay.Made) error {
	out := u.stream()
	for _, m := range list {
		hue := map[overlay.Kind]string{overlay.Added: green, overlay.Deleted: red, overlay.Replaced: yellow, overlay.Retyped: yellow}[m.Kind]
		line := paint(out.hue, hue, string(m.Kind)) + "  " + escape.Name(m.Path)
		if m.Paths > 1 {
			line += "/  (" + count(m.Paths, "path", "paths") + ")"
		}
		if m.Flags.Has(dangerous) {
			line += "  (" + paint(out.hue, red, strings.Join(m.Flags.Names(), ", ")) + ")"
		}
		if _, err := out.WriteString(line + "\n"); err != nil {
			return written(err)
		}
	}
	return out.flush()
}

// mostRefused is how many paths that were left out are named, for each cause.
const mostRefused = 10

// refused says what was left out, and why; the same for a script as for people.
func (u *ui) refused(list []overlay.Refusal) {
	named := map[overlay.Cause]int{}
	for _, r := range list {
		if named[r.Cause]++; named[r.Cause] > mostRefused {
			continue
		}
		u.note("left out " + escape.Name(r.Path) + ": it " + r.Why)
	}
	for _, kind := range []struct {
		cause overlay.Cause
		what  string
		hint  string
	}{
		{overlay.Dangerous, "dangerous", "to apply a dangerous path too, name it, or give --dangerous"},
		{overlay.Conflict, "in conflict", "to replace what is in your home, give --force: it is kept, and cove undo brings it back"},
		{overlay.SpecialFile, "special", ""},
		{overlay.Unreadable, "unreadable", ""},
		{overlay.OwnState, "cove's own", ""},
		{overlay.Together, "that belong together", ""},
		{overlay.WithoutAbove, "below others", ""},
		{overlay.Forbidden, "not allowed", ""},
	} {
		if n := named[kind.cause]; n > mostRefused {
			u.note(fmt.Sprintf("left out %s more that are %s", count(n-mostRefused, "path", "paths"), kind.what))
		}
		if named[kind.cause] > 0 && kind.hint != "" && !u.quiet {
			u.hint(kind.hint)
		}
	}
}

func (u *ui) applied(r applied) error {
	r.Made, r.Refused = append([]overlay.Made{}, r.Made...), append([]overlay.Refusal{}, r.Refused...)
	return u.json(r)
}

func pathsOf(list []overlay.Made) (n int) {
	for _, m := range list {
		n += m.Paths
	}
	return n
}

func left(r applied) string {
	switch {
	case r.Left == nil:
		return ""
	case *r.Left == 0:
		return "; nothing is left in the box " + r.Box
	}
	return "; " + count(*r.Left, "change is", "changes are") + " left in the box " + r.Box
}

func (u *ui) appliedAs(r applied) {
	u.aside(count(pathsOf(r.Made), "path", "paths") + " applied" + left(r) + "; to take it back: cove undo " + strconv.Itoa(r.ID))
}

func (u *ui) takenBack(r applied, boxed bool) {
	switch n := len(r.Made); {
	case n == 0 && len(r.Refused) > 0:
		u.aside("nothing was taken back")
	case boxed:
		u.aside("apply " + strconv.Itoa(r.ID) + " is taken back; its changes are in the box " + r.Box + " again")
	default:
		u.aside("apply " + strconv.Itoa(r.ID) + " is taken back; its box is not there any more")
	}
	if r.Kept != "" {
		u.aside("what could not be put anywhere is kept in " + r.Kept)
	}
}

func (u *ui) dropped(r applied) {
	u.aside(count(pathsOf(r.Made), "path", "paths") + " dropped" + left(r))
}

func (u *ui) nothingToApply(name string) { u.aside("nothing to apply in the box " + name) }
func (u *ui) nothingApplied()            { u.aside("nothing was applied that could be taken back") }

func (u *ui) confirmApply(paths int, name string) string {
	return fmt.Sprintf("cove: apply %s of the box %s to your home? [y/N] ", count(paths, "path", "paths"), escape.Text(name))
}

func (u *ui) confirmDiscard(paths []string, name string) string {
	if len(paths) == 0 {
		return fmt.Sprintf("cove: drop all changes from the box %s? [y/N] ", escape.Text(name))
	}
	return fmt.Sprintf("cove: drop these from the box %s? [y/N] ", escape.Text(name))
}

func applyNotConfirmed(paths int) error {
	return hintedf("cove apply --dry-run shows it, cove apply --yes does it",
		"nothing was applied: this is no terminal to ask on whether %s are to be changed in your home", count(paths, "path", "paths"))
}

func discardNotConfirmed() error {
	return hintedf("cove discard --yes", "nothing was dropped: this is no terminal to ask on")
}

func nothingAt(paths []string, name string) error {
	quoted := make([]string, 0, 4)
	for i, p := range paths {
		if i == 3 && len(paths) > 4 {
			quoted = append(quoted, fmt.Sprintf("%d more", len(paths)-3))
			break
		}
		quoted = append(quoted, strconv.Quote(p))
	}
	return hintedf("cove diff "+name+" shows what changed; a path is relative to your home, or to here with ./ before it",
		"nothing changed at %s in the box %s", strings.Join(quoted, ", "), name)
}

func notInHome(word, home string) error {
	return fmt.Errorf("%q is not in the home directory %s", word, home)
}

func suspectBox(name string) error {
	return hintedf("look at it: cove diff "+name+"; then cove apply --force",
		"cannot apply the box %s: the machine went down while a program ran in it, and what was written last may be missing", name)
}

func unfinishedAdvice(u *overlay.UnfinishedError) string {
	if u.Back {
		return "it was being taken back: cove undo goes on with that, cove apply --resume applies all of it"
	}
	return "cove apply --resume finishes it, cove undo takes it back"
}

// unfinished is said by commands that only look.
func (u *ui) unfinished(e *overlay.UnfinishedError) {
	u.note(strings.TrimPrefix(e.Error(), "cannot change your home: ") + "; " + unfinishedAdvice(e))
}

func resumeTakesNoPath() error {
	return fmt.Errorf("cannot take a box or paths with --resume: it finishes what was begun")
}

func nothingUnfinished() error { return fmt.Errorf("nothing is unfinished") }

func nothingToUndo() error {
	return hintedf("cove undo --list shows what can be", "there is nothing to take back")
}

func forgetWhich() error {
	return hintedf("cove undo --list shows them with their numbers", "which apply? --forget needs its number")
}

func (u *ui) forgotten(n int) {
	u.aside("dropped what was kept of apply " + strconv.Itoa(n) + "; it cannot be taken back any more")
}

func noSuchApply(n int) error {
	return hintedf("cove undo --list shows those that can be taken back", "there is no apply %d", n)
}

var errStopped = errors.New("it was stopped")

// stateOf is a word for the list of applies.
func stateOf(u overlay.Applied) string {
	switch {
	case u.Unfinished && u.Back:
		return "taken back in part: cove undo " + strconv.Itoa(u.ID)
	case u.Unfinished:
		return "unfinished: cove apply --resume, or cove undo"
	case u.Back:
		return "taken back; some is kept"
	}
	return ""
}

// progress tells people how far it is, once a second has passed.
func (u *ui) progress() (tell func(overlay.Step), end func()) {
	var last atomic.Pointer[overlay.Step]
	stop := u.patienceOf(func() string {
		s := last.Load()
		switch {
		case s == nil:
			return "applying"
		case s.All > 0 && s.Done > 0:
			return fmt.Sprintf("%s: %d of %d", s.What, s.Done, s.All)
		}
		return s.What
	})
	return func(s overlay.Step) { last.Store(&s) }, stop
}
