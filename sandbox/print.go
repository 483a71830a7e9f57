package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cove/internal/escape"
	"cove/internal/landlock"
	"cove/internal/mount"
	"cove/userns"
)

// String is the plan as cove plan prints it.
func (p *Plan) String() string { return p.Text() }

// Text is the plan for people: the steps in order, then all that is no step. What sets of paths hide is counted.
//
// A step's columns are what is done, at which path inside, from which path of the host where that is another, with
// which options, why, and in brackets who asked for it. The text depends on the plan alone. Names in it are
// escaped: it can be printed to a terminal.
func (p *Plan) Text() string { return p.text(false) }

// LongText is Text with what the environment's variables hold, which may be secrets, with all that is hidden by name, and
// with every Landlock rule.
func (p *Plan) LongText() string { return p.text(true) }

func (p *Plan) text(long bool) string {
	var b strings.Builder
	p.printCommand(&b)
	b.WriteByte('\n')
	printSteps(&b, p.Ops)
	b.WriteByte('\n')
	if v := p.Home.Server; v != nil {
		v.print(&b)
	}
	p.printFacts(&b, long)
	return b.String()
}

func (p *Plan) printCommand(b *strings.Builder) {
	words := make([]string, len(p.Command))
	for i, w := range p.Command {
		words[i] = escape.Word(w)
	}
	if len(words) == 0 {
		words = []string{"(no program)"}
	}
	fmt.Fprintf(b, "run %s\n%s\n", strings.Join(words, " "), bracketed(" in "+escape.Name(p.Workdir), p.WorkdirFrom))
}

// Columns are as wide as what stands in them, within limits: one long path shall not push all the rest off the
// screen.
const (
	widestTarget  = 40
	widestOptions = 24
)

func printSteps(b *strings.Builder, ops []mount.Op) {
	rows := make([][3]string, len(ops)) // what, where, how
	var width [3]int
	for i, op := range ops {
		rows[i] = [3]string{verb(op), where(op), escape.Name(strings.Join(op.Options, ","))}
		for j, limit := range []int{widestTarget, widestTarget, widestOptions} {
			if n := utf8.RuneCountInString(rows[i][j]); n <= limit {
				width[j] = max(width[j], n)
			}
		}
	}
	digits := len(strconv.Itoa(len(ops)))
	for i, op := range ops {
		line := fmt.Sprintf("%*d  %-*s  %-*s  %-*s  %s", digits, i+1, width[0], rows[i][0], width[1], rows[i][1], width[2], rows[i][2], escape.Text(op.Why))
		fmt.Fprintln(b, bracketed(strings.TrimRight(line, " "), op.From))
		if op.Layers != nil {
			printLayers(b, strings.Repeat(" ", digits+2), op.Layers)
		}
	}
}

// print adds the sandbox of fuse-overlayfs.
func (v *ServerPlan) print(b *strings.Builder) {
	fmt.Fprintf(b, "fuse-overlayfs keeps the copy of your home, in a sandbox of its own: no network, no sockets\n -o %s\n\n", v.Options)
	printSteps(b, v.Ops)
	if n := len(v.Landlock.Rules); n > 0 {
		fmt.Fprintf(b, " and %d Landlock rules, likewise\n", n)
	}
	b.WriteByte('\n')
}

func verb(op mount.Op) string {
	if op.Type == "" {
		return string(op.Do)
	}
	return string(op.Do) + " " + op.Type
}

func where(op mount.Op) string {
	target := escape.Name(op.Target)
	switch {
	case op.Do == mount.Symlink:
		return target + " → " + escape.Name(op.Source)
	case op.Source != "" && op.Source != op.Target:
		return target + " ← " + escape.Name(op.Source)
	}
	return target
}

func printLayers(b *strings.Builder, indent string, l *mount.Layers) {
	for i, dir := range slices.Concat(l.Base, l.Lower) {
		word := "over"
		if i > 0 {
			word = "and"
		}
		fmt.Fprintf(b, "%s    %-7s %s\n", indent, word, escape.Name(dir))
	}
	volatile := ""
	if l.Volatile {
		volatile = ", not synced to disk: the box is dropped"
	}
	fmt.Fprintf(b, "%s    %-7s %s (%s%s)\n", indent, "changes", escape.Name(l.Upper), l.Backend, volatile)
}

// bracketed adds who asked for it. cove's own choices are not marked.
func bracketed(line, from string) string {
	if from == "" || from == "cove" || from == (Origin{}).String() {
		return line
	}
	return line + "  [" + escape.Text(from) + "]"
}

// printFacts lists what is no step, one subject after another.
func (p *Plan) printFacts(b *strings.Builder, long bool) {
	label := ""
	say := func(text, from string) {
		fmt.Fprintln(b, bracketed(fmt.Sprintf("%-12s %s", label, text), from))
		label = ""
	}

	label = "home"
	say(p.Home.sentence(), p.Home.From)
	for _, line := range p.Home.covers(long) {
		say(line[0], line[1])
	}
	label = "environment"
	for _, line := range envLines(p.Env, long) {
		say(line[0], line[1])
	}
	label = "ids"
	say("uid "+ranges(p.IDs.UIDs), "")
	helper := ""
	if p.IDs.Helper {
		helper = ", written by newuidmap and newgidmap"
	}
	say("gid "+ranges(p.IDs.GIDs)+helper, "")
	label = "namespaces"
	for _, n := range p.namespaces() {
		say(n, "")
	}
	label = "hostname"
	say(escape.Name(p.Hostname), "")
	label = "network"
	say(p.Net.sentence(), p.Net.From)
	label = "terminal"
	say(because(p.TTY.Mode, p.TTY.Why), p.TTY.From)
	label = "limits"
	for _, l := range p.Limits {
		say(escape.Name(l.Name)+" "+l.amount(), l.From.String())
	}
	label = "rights"
	if len(p.Caps) == 0 {
		say("no capabilities, no_new_privs", "")
	}
	for _, c := range p.Caps {
		say(because("CAP_"+c.Name, c.Why), "")
	}
	label = "landlock"
	for _, line := range p.Landlock.lines(long) {
		say(line[0], line[1])
	}
	label = "seccomp"
	for _, line := range p.Seccomp.lines() {
		say(line[0], line[1])
	}
	if p.Classic {
		label = "mounts"
		say("made with mount(2): this kernel lacks the newer mount calls", "")
	}
	for _, n := range p.Notes {
		label = "note"
		say(escape.Text(n.Text), "")
		if n.Hint != "" {
			label = "hint"
			say(escape.Text(n.Hint), "")
		}
	}
}

func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + escape.Text(why)
}

func (h HomePlan) sentence() string {
	s := map[string]string{
		HomeCow:   "copy-on-write",
		HomeTmpfs: "empty and volatile",
		HomeShare: "the real one, not undone",
		HomeNone:  "none",
	}[h.Mode]
	if h.Backend != "" {
		s += " (" + h.Backend + ")"
	}
	if h.Mode != HomeNone {
		s += " at " + escape.Name(h.Path)
	}
	return because(s, h.Why)
}

// covers is what stands before the home. What a set hides is counted, and named where the home has it; all of it is named
// only where that was asked for, or where nobody knows who hid it: in a plan that was read from a box.
func (h HomePlan) covers(all bool) (lines [][2]string) {
	names := func(list []string) string {
		text := ""
		for i, name := range list {
			if i > 0 {
				text += ", "
			}
			text += "~/" + escape.Name(name)
		}
		return text
	}
	if len(h.Front.Hide) > 0 && (all || h.hiding == nil) {
		lines = append(lines, [2]string{"hidden: " + names(h.Front.Hide), ""})
	} else {
		for _, g := range h.hiding {
			text := "hidden: "
			if g.set != "" {
				text += fmt.Sprintf("%s, %d paths, of which ", escape.Name(g.set), g.paths)
				if len(g.exist) == 0 {
					text += "none is there"
				} else {
					text += "these are there: "
				}
			}
			lines = append(lines, [2]string{text + names(g.exist), g.from})
		}
	}
	if points := slices.Concat(h.Front.Dirs, h.Front.Files); len(points) > 0 {
		lines = append(lines, [2]string{"mount points: " + names(points), ""})
	}
	return lines
}

// envLines are the variables, those of one origin together: names only, or one a line with its value.
func envLines(env []EnvVar, values bool) (lines [][2]string) {
	at := map[string]int{}
	for _, v := range env {
		switch i, seen := at[v.From]; {
		case values:
			lines = append(lines, [2]string{escape.Name(v.Name) + "=" + escape.Name(v.Value), v.From})
		case seen:
			lines[i][0] += ", " + escape.Name(v.Name)
		default:
			at[v.From] = len(lines)
			lines = append(lines, [2]string{escape.Name(v.Name), v.From})
		}
	}
	return lines
}

// ranges is "1000", where ids are the same inside, else "0 ← 1000, 1-65536 ← 100000-165535".
func ranges(list []userns.Range) string {
	span := func(first, count int) string {
		if count == 1 {
			return strconv.Itoa(first)
		}
		return fmt.Sprintf("%d-%d", first, first+count-1)
	}
	parts := make([]string, len(list))
	for i, r := range list {
		parts[i] = span(r.Inside, r.Count)
		if r.Inside != r.Outside {
			parts[i] += " ← " + span(r.Outside, r.Count)
		}
	}
	return strings.Join(parts, ", ")
}

// namespaces are those without a remark on one line, and the others on one each.
func (p *Plan) namespaces() (lines []string) {
	var plain []string
	for _, n := range p.Namespaces {
		if n.Why == "" {
			plain = append(plain, n.Name)
		} else {
			lines = append(lines, because(n.Name, n.Why))
		}
	}
	if len(plain) > 0 {
		lines = append(lines, strings.Join(plain, ", "))
	}
	return lines
}

func (n NetPlan) sentence() string {
	switch n.Mode {
	case NetNone:
		return "none: nothing but the sandbox's own loopback"
	case NetHost:
		return "host: all that you can reach"
	}
	return escape.Name(n.Mode)
}

// lines are what Landlock adds, and in long each rule.
func (p *LandlockPlan) lines(long bool) [][2]string {
	if len(p.Rules) == 0 {
		return [][2]string{{because("none", p.Why), p.From}}
	}
	closed := "all else is closed"
	if root := &p.Rules[0]; root.Path == "/" && root.Has(landlock.Make) {
		closed = "all outside of the root is closed"
	}
	lines := [][2]string{{fmt.Sprintf("a second wall: %d rules for what is shown above, %s (ABI %d)", len(p.Rules), closed, p.ABI), p.From}}
	for _, s := range p.Scopes {
		switch s {
		case landlock.AbstractSockets:
			lines = append(lines, [2]string{"the host's abstract sockets are out of reach", ""})
		case landlock.Signals:
			lines = append(lines, [2]string{"signals reach nothing outside", ""})
		}
	}
	if long {
		for line := range strings.Lines(p.Text()) {
			lines = append(lines, [2]string{strings.TrimSuffix(line, "\n"), ""})
		}
	}
	return lines
}

// Text is every rule for people, one a line: for what, what may be done there, why, and in brackets who asked for it.
func (p *LandlockPlan) Text() string {
	width := 0
	for _, r := range p.Rules {
		if n := utf8.RuneCountInString(escape.Name(r.Path)); n <= widestTarget {
			width = max(width, n)
		}
	}
	var b strings.Builder
	for _, r := range p.Rules {
		words := make([]string, len(r.Rights))
		for i, w := range r.Rights {
			words[i] = string(w)
		}
		line := fmt.Sprintf("%-*s  %-25s  %s", width, r.Stream+escape.Name(r.Path), strings.Join(words, ","), escape.Text(r.Why))
		fmt.Fprintln(&b, bracketed(strings.TrimRight(line, " "), r.From))
	}
	return b.String()
}

func (s *SeccompPlan) lines() [][2]string {
	if s == nil {
		return [][2]string{{"none", ""}}
	}
	first := "system calls as listed by default"
	if s.Policy.Nesting {
		first += ", and those that make sandboxes in it"
	}
	lines := [][2]string{{first, s.From}}
	for _, list := range []struct {
		word  string
		names []string
	}{{"allowed", s.Policy.Allow}, {"denied", s.Policy.Deny}} {
		if len(list.names) > 0 {
			lines = append(lines, [2]string{list.word + ": " + escape.Name(strings.Join(list.names, ", ")), ""})
		}
	}
	return lines
}

// amount is a limit's value, as a profile would have it: 1024, 512M.
func (l Limit) amount() string {
	n, unit := l.Value, ""
	for _, u := range []string{"K", "M", "G", "T"} {
		if l.Name == "files" || n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	return strconv.FormatUint(n, 10) + unit
}
