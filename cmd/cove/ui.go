package main

// This file is how cove speaks: every sentence that a user reads is here, but for the help of each command, which
// stands with its flags, and the errors of the packages below, which say what could not be done and know nothing of
// commands. The manners are:
//
//   - Standard output is the program's, or the answer that was asked for. cove itself speaks on standard error,
//     each line with "cove:" before it. No capital at the beginning, no full stop at the end.
//   - An error says what could not be done, to what, and why: "cannot …". A hint says what to try, as something
//     that can be pasted where that is possible.
//   - What nobody asked for is said to people only: on a terminal, and not with -q.
//   - Colours only on a terminal, never with NO_COLOR or TERM=dumb, and nothing is said by colour alone.
//   - Names that others chose are escaped (internal/escape): files, boxes, programs, whole errors.

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"cove/internal/box"
	"cove/internal/escape"
	"cove/internal/mount"
	"cove/internal/spell"
	"cove/internal/tty"
	"cove/overlay"
	"cove/profiles"
	"cove/sandbox"
	"cove/sandbox/launch"
	"cove/userns"
)

// ui is cove's voice.
type ui struct {
	out, err       io.Writer
	outTTY, errTTY bool // people are there
	outHue, errHue bool // and like colours
	quiet, verbose bool
	hinted         []string // what was said by hint
}

func newUI(out, err *os.File, getenv func(string) string) *ui {
	u := &ui{out: out, err: err, outTTY: tty.IsTerminal(int(out.Fd())), errTTY: tty.IsTerminal(int(err.Fd()))}
	hue := getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && getenv("TERM") != ""
	u.outHue, u.errHue = u.outTTY && hue, u.errTTY && hue
	return u
}

// SGR codes of ECMA-48.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func paint(on bool, hue, text string) string {
	if !on || hue == "" {
		return text
	}
	return "\x1b[" + hue + "m" + text + "\x1b[m"
}

// line says one line on standard error. Further lines of the text are left without the prefix, so that they can be
// copied.
func (u *ui) line(kind, hue, text string) {
	first, more, two := strings.Cut(strings.TrimRight(text, "\n"), "\n")
	if kind != "" {
		kind = paint(u.errHue, hue, kind+":") + " "
	}
	fmt.Fprintf(u.err, "cove: %s%s\n", kind, escape.Text(first))
	if two {
		for l := range strings.SplitSeq(more, "\n") {
			fmt.Fprintln(u.err, escape.Text(l))
		}
	}
}

// hint is said once: several errors may have one reason.
func (u *ui) hint(text string) {
	if text != "" && !slices.Contains(u.hinted, text) {
		u.hinted = append(u.hinted, text)
		u.line("hint", cyan, text)
	}
}

// note says what a user should know before the program runs.
func (u *ui) note(text string) {
	if !u.quiet {
		u.line("note", yellow, strings.ReplaceAll(text, "\n", `\n`))
	}
}

// remark says what this machine does differently, or what may surprise: to people, or with -v.
func (u *ui) remark(format string, args ...any) {
	if u.verbose || u.errTTY && !u.quiet {
		u.line("note", yellow, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", `\n`))
	}
}

// notes says what there is to know of profiles that were read, or not.
func (u *ui) notes(list []profiles.Note) {
	for _, n := range list {
		if n.Aside {
			u.remark("%s", n.Text)
		} else {
			u.note(n.Text)
		}
	}
}

// aside says something to people only.
func (u *ui) aside(text string) {
	if u.errTTY && !u.quiet {
		u.line("", "", text)
	}
}

// A stream answers line by line, for what can be long.
type stream struct {
	*bufio.Writer
	hue bool
}

func (u *ui) stream() *stream { return &stream{bufio.NewWriterSize(u.out, 64<<10), u.outHue} }

func (s *stream) flush() error { return written(s.Flush()) }

// json writes an object on a line of its own.
func (s *stream) json(v any) error {
	e := json.NewEncoder(s)
	e.SetEscapeHTML(false)
	return written(e.Encode(v))
}

// change writes one line of a diff: what happened to the path, what it is where that is no plain file, and what a
// reader should know of it. The paths of a copy-on-write root are absolute.
func (s *stream) change(c overlay.Change) error {
	root := ""
	if strings.HasPrefix(c.Path, "/") {
		root = "root: "
	}
	hue := map[overlay.Kind]string{overlay.Added: green, overlay.Deleted: red, overlay.Replaced: yellow, overlay.Retyped: yellow}[c.Kind]
	name := root + escape.Name(c.Path)
	switch {
	case c.Path == "/":
	case c.After.Type == overlay.TypeDir || c.After.Type == overlay.TypeAbsent && c.Before.Type == overlay.TypeDir:
		name += "/"
	case c.After.Type == overlay.TypeSymlink:
		name += " → " + escape.Name(c.After.Target)
	}
	line := paint(s.hue, hue, string(c.Kind)) + "  " + name
	if c.Flags.Has(^overlay.Flags(0)) && (c.Kind == overlay.Meta || c.Flags.Has(dangerous)) {
		words := strings.Join(c.Flags.Names(), ", ")
		if c.Flags.Has(dangerous) {
			words = paint(s.hue, red, words)
		}
		line += "  (" + words + ")"
	}
	_, err := s.WriteString(line + "\n")
	return written(err)
}

// dangerous is what a reader of a diff should not overlook.
const dangerous = overlay.Setuid | overlay.Setgid | overlay.Capability | overlay.Hidden | overlay.Special

func (u *ui) versions(v versions) error {
	commit := ""
	if v.Commit != "" && !strings.Contains(v.Cove, v.Commit[:min(7, len(v.Commit))]) {
		commit = " (" + v.Commit[:min(12, len(v.Commit))] + ")"
	}
	return u.print(fmt.Sprintf("cove %s%s\nbuilt with %s for %s\nLinux %s\n", v.Cove, commit, v.Go, v.System, escape.Name(v.Kernel)))
}

// page is for help.
func (u *ui) page() *page { return &page{width: columns(u.out), hue: u.outHue} }

// columns are those that help may fill.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n := tty.Columns(int(f.Fd())); n > 0 {
			return max(tightest, min(n, widest))
		}
	}
	return usual
}

// help prints the help of a command.
func (u *ui) help(c *command) int {
	if u.print(c.text(u.page())) != nil {
		return exitFailed
	}
	return exitOK
}

// welcome is for cove without a word.
func (u *ui) welcome() int {
	io.WriteString(u.err, overview(&page{width: columns(u.err), hue: u.errHue}))
	return exitFailed
}

// changed says after a run what became of it.
func (u *ui) changed(r *sandbox.Report) {
	if u.errTTY {
		for _, n := range r.Notes {
			u.note(n)
		}
	}
	switch {
	case r.Dropped || r.Changes+r.RootChanges <= 0:
	default:
		var where []string
		if r.Changes > 0 {
			where = append(where, count(r.Changes, "path", "paths")+" changed in your home")
		}
		if r.RootChanges > 0 {
			where = append(where, count(r.RootChanges, "path", "paths")+" changed in the root")
		}
		them := "them"
		if r.Changes+r.RootChanges == 1 {
			them = "it"
		}
		u.aside(fmt.Sprintf("%s; see %s with: cove diff %s", strings.Join(where, ", "), them, r.Box))
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// A hinted error has advice with it.
type hinted struct {
	err   error
	hints []string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

func hintedf(hint, format string, args ...any) error {
	return &hinted{fmt.Errorf(format, args...), []string{hint}}
}

// Usage errors.

func unknownCommand(word string, known []string) error {
	hint := "cove --help lists the commands; to run a program: cove run -- " + escape.Word(word)
	if w := spell.Nearest(word, known); w != "" {
		hint = "did you mean cove " + w + "?"
	}
	return hintedf(hint, "unknown command %q", word)
}

func unknownSecond(word string, rest, seconds []string) error {
	if len(rest) == 0 {
		return hintedf("cove "+word+" "+strings.Join(seconds, ", "), "cove %s needs a word more", word)
	}
	hint := "there are " + strings.Join(seconds, ", ")
	if w := spell.Nearest(rest[0], seconds); w != "" {
		hint = "did you mean cove " + word + " " + w + "?"
	}
	return hintedf(hint, "unknown command %q", word+" "+rest[0])
}

func misplaced(flag string) error {
	return hintedf("flags follow the command: cove run "+escape.Word(flag)+" …", "unknown flag %s before the command", flag)
}

func unknownFlag(typed string, table []flag) error {
	long := make([]string, 0, len(table))
	for _, f := range table {
		long = append(long, "--"+f.name)
	}
	if !strings.HasPrefix(typed, "--") && len(typed) > 2 && slices.Contains(long, "-"+typed) {
		return hintedf("did you mean -"+typed+"?", "unknown flag %s", typed)
	}
	if w := spell.Nearest(typed, long); w != "" && strings.HasPrefix(typed, "--") {
		return hintedf("did you mean "+w+"?", "unknown flag %s", typed)
	}
	return fmt.Errorf("unknown flag %s", typed)
}

func missingValue(f *flag, typed string) error {
	return hintedf(fmt.Sprintf("--%s %s: %s", f.name, f.value, f.help), "the flag %s needs a value", typed)
}

func needlessValue(f *flag, value string) error {
	return fmt.Errorf("the flag --%s takes no value, but got %q", f.name, value)
}

func noProgram(c *command, empty bool) error {
	hint := "cove " + c.name + " -- PROGRAM [ARGS…]; or cove shell for your shell"
	if empty {
		return hintedf(hint, "which program? its name is empty")
	}
	return hintedf(hint, "which program?")
}

func shellTakesNoProgram(program []string) error {
	return hintedf("cove run -- "+escape.Word(program[0])+" …", "cove shell starts your shell and takes no program")
}

func jsonOfRun() error {
	return hintedf("with -n it prints the plan; the report of a run is kept in its box as report.json",
		"--json is for the plan: the output of a run is the program's")
}

// badUsage puts kong's words into ours.
func badUsage(c *command, err error) error {
	msg, _, _ := strings.Cut(err.Error(), ", did you mean ")
	if typed, ok := strings.CutPrefix(msg, "unknown flag "); ok {
		return withHelp(c, unknownFlag(typed, c.allFlags()))
	}
	if strings.HasPrefix(msg, `expected "`) {
		for _, o := range c.operands() {
			if o.must {
				return hintedf("cove "+c.name+" "+c.args, "cove %s needs %s", c.name, strings.ReplaceAll(o.text, "|", " or "))
			}
		}
	}
	return withHelp(c, errors.New(msg))
}

// withHelp points to the help where there is no better hint.
func withHelp(c *command, err error) error {
	if h := (*hinted)(nil); errors.As(err, &h) {
		return err
	}
	return &hinted{err, []string{"cove " + c.name + " --help"}}
}

// Errors.

// failure says why cove could not do its part, and tells the exit status.
func (u *ui) failure(err error, status int) int {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			status = u.failure(e, status)
		}
		return status
	}
	var (
		wrong   profiles.Errors
		one     profiles.Error
		advised *hinted
		exec    *launch.ExecError
	)
	switch {
	case errors.As(err, &wrong):
		for _, e := range wrong {
			u.profileError(e)
		}
		return status
	case errors.As(err, &one):
		u.profileError(one)
		return status
	}
	text := err.Error()
	if identity := (*userns.Error)(nil); errors.As(err, &identity) {
		text = strings.ReplaceAll(text, identity.Error(), identity.Msg) // its hint stands below
	}
	u.line("error", red, strings.ReplaceAll(text, "\n", `\n`)) // of a name in it
	u.hint(adviceOn(err))
	if forDoctor(err) {
		u.hint(sendForDoctor)
	}
	if errors.As(err, &advised) {
		for _, h := range advised.hints {
			u.hint(h)
		}
	}
	if errors.As(err, &exec) {
		if exec.NotFound() {
			return exitNotFound
		}
		return exitNotRunable
	}
	return status
}

// adviceOn is what to try where an error says what kind it is; "" is nothing.
func adviceOn(err error) string {
	var (
		spec        *sandbox.SpecError
		unsupported *sandbox.UnsupportedError
		clone       *launch.CloneError
		step        *launch.StepError
		busy        *box.BusyError
		identity    *userns.Error
		branched    *box.BranchedError
		unfinished  *overlay.UnfinishedError
	)
	switch {
	case errors.As(err, &unfinished):
		return unfinishedAdvice(unfinished)
	case errors.As(err, &spec):
		return spec.Hint
	case errors.As(err, &unsupported):
		return unsupported.Hint
	case errors.As(err, &clone):
		return clone.Hint
	case errors.As(err, &step):
		return stepAdvice(step)
	case errors.As(err, &busy):
		return busyAdvice()
	case errors.As(err, &identity):
		return identity.Hint
	case errors.As(err, &branched):
		return branchedAdvice(branched)
	case errors.Is(err, syscall.ENOSPC):
		return "the disk that holds your boxes is full: cove ls shows them with their sizes, cove rm removes them"
	}
	return ""
}

// bug is the third voice: not your wish, not this machine, but cove is wrong.
func (u *ui) bug(what any, stack []byte) int {
	u.line("error", red, fmt.Sprintf("this is a bug in cove: %v", what))
	u.hint("please report it with what follows; the box of the run, if it had one, is as it was: cove ls")
	u.err.Write(stack)
	return exitFailed
}

// profileError shows where a wish was written wrong.
func (u *ui) profileError(e profiles.Error) {
	text := e.Msg
	if e.File != "" {
		place := e.File
		if e.Line > 0 {
			place += fmt.Sprintf(":%d", e.Line)
		}
		if e.Col > 0 {
			place += fmt.Sprintf(":%d", e.Col)
		}
		text = place + ": " + text
	}
	if e.Excerpt != "" {
		text += "\n" + e.Excerpt
	}
	u.line("error", red, text)
	u.hint(e.Hint)
}

// stepAdvice is what is known to be behind an errno of a step. Mount calls have a dozen reasons for one errno, so
// the table goes by both; the first line that fits counts.
func stepAdvice(e *launch.StepError) string {
	if e.Op == nil {
		if e.Errno == syscall.ENOENT || e.Errno == syscall.EACCES {
			return "the plan shows what can be seen inside: cove plan with the same words"
		}
		return ""
	}
	if e.Errno == syscall.EPERM && e.Op.Type == "proc" && launch.InsideCove() {
		return "this is inside a sandbox of cove in which parts of /proc are covered, and then the kernel allows no fresh one; the outer cove leaves them bare for --nesting, but not where root runs it"
	}
	for _, a := range []struct {
		errno syscall.Errno
		do    mount.Verb
		fs    string
		text  string
	}{
		{syscall.EPERM, mount.Mount, "proc", "parts of /proc are covered here, as in containers, and then the kernel allows no fresh one; for cove in a container: docker run --security-opt systempaths=unconfined, podman run --security-opt unmask=ALL"},
		{syscall.EPERM, mount.Mount, "mqueue", "an outer sandbox or container refuses mounts"},
		{syscall.EPERM, mount.Overlay, "", "this kernel does not let you mount overlayfs; try --overlay fuse"},
		{syscall.EINVAL, mount.Overlay, "", "the kernel cannot put an overlay over this file system, or cannot keep the changes on that of the box; try --overlay fuse, or --home tmpfs with --rw DIR"},
		{syscall.ELOOP, mount.Overlay, "", "a symbolic link stands in the way: one that was made since the plan was, or that an earlier run left in this box (cove diff); look at it, or use another box"},
		{syscall.ENOSPC, mount.Overlay, "", "the disk that holds your boxes is full: cove ls shows them, cove rm removes them"},
		{syscall.ENODEV, "", "", "this kernel does not have that file system; its module may have to be loaded by an administrator"},
		{syscall.ELOOP, "", "", "a symbolic link stands in the way: one that was made since the plan was, or that an earlier run left in this box (cove diff); look at it, or use another box"},
		{syscall.ENOENT, "", "", "it was there when the plan was made, or an earlier run in this box removed it (cove diff); run again, or use another box"},
		{syscall.ENOTDIR, "", "", "it was something else when the plan was made, or an earlier run in this box made it so (cove diff); run again, or use another box"},
		{syscall.EACCES, mount.BindTo, "", "you may not look into a directory on the way there"},
		{syscall.EPERM, "", "", "an outer sandbox, container or security module refuses it"},
		{syscall.ENOSPC, "", "", "the limit of mounts is reached: /proc/sys/fs/mount-max"},
	} {
		if a.errno == e.Errno && (a.do == "" || a.do == e.Op.Do) && (a.fs == "" || a.fs == e.Op.Type) {
			return a.text
		}
	}
	return ""
}

func busyAdvice() string {
	return "wait until its program ends, or choose another with --box"
}

// Where a program can start that cannot start where we are.

type wayToStart struct {
	flag  []string
	words string
	last  bool // where there is no other
}

// waysToStart are flags that may help, the likeliest first. What a profile hides is not proposed.
func waysToStart(e *sandbox.UnseenError) (ways []wayToStart) {
	if e.Empty {
		ways = append(ways, wayToStart{flag: []string{"--workdir", e.Dir}, words: "to start in the empty one: "})
	}
	if !e.Hidden {
		ways = append(ways,
			wayToStart{flag: []string{"--rw", "."}, words: "to work on the real files: "},
			wayToStart{flag: []string{"--ro", "."}, words: "to read them only: "})
	}
	return append(ways,
		wayToStart{flag: []string{"--workdir", "~"}, words: "to start in your home: "},
		wayToStart{flag: []string{"--workdir", "/"}, words: "to start elsewhere: ", last: true})
}

// commandLine is what was typed, with a flag more.
func commandLine(c *command, flag, args []string) string {
	var b strings.Builder
	b.WriteString("cove " + c.name)
	for i, w := range slices.Concat(flag, args) {
		b.WriteByte(' ')
		if i < len(flag) && w == "~" {
			b.WriteString(w) // which the shell may expand
		} else {
			b.WriteString(escape.Word(w))
		}
	}
	return b.String()
}

// Why a program cannot be executed, as far as the host tells.

func isHidden(program string, from sandbox.Origin) string {
	return fmt.Sprintf("%s is hidden, by %s", program, from)
}

func notInPath(program, dir string) string {
	return fmt.Sprintf("PATH is another inside, without %s; run it by its path, %s, or let yours in: --pass-env PATH", dir, escape.Word(program))
}

func notVisible(program, dir string) string {
	return fmt.Sprintf("%s is on this machine but cannot be seen inside; let it in: --ro %s", program, escape.Word(dir))
}

func noInterpreter(program, interpreter string) string {
	return fmt.Sprintf("%s is there, but the interpreter in its first line is not: %s", program, interpreter)
}

func noLoader(program string) string {
	return program + " is there, but the loader or libraries that it was built for are not"
}

const (
	isDirectory   = "it is a directory"
	notExecutable = "it is not marked as executable: chmod +x"
	noFormat      = "it is neither a binary for this machine nor a script with #! in its first line"
)

// Boxes.

func noBoxes() error {
	return hintedf("cove run leaves one where something changed", "there are no boxes")
}

func noSuchBox(name string, known []string) error {
	if w := spell.Nearest(name, known); w != "" {
		return hintedf("did you mean "+w+"?", "there is no box %q", name)
	}
	return hintedf("cove ls lists them", "there is no box %q", name)
}

// letIn is how its owner can read what a program made unreadable.
func letIn(view *box.View, e *overlay.UnreadableError) string {
	if !errors.Is(e.Err, syscall.EACCES) || view.Meta.Subids || view.Running {
		return ""
	}
	words := []string{"cove run --box " + view.Meta.Name + " -- chmod u+rwX"}
	for _, p := range e.Paths {
		words = append(words, escape.Word(path.Join(view.Meta.Home, p)))
	}
	return strings.Join(words, " ")
}

func boxTaken(name string) error {
	return hintedf("cove ls lists those that there are", "there is a box %q already", name)
}

func (u *ui) branched(from, to string) {
	u.aside("made the box " + to + " on top of the box " + from + "; run something in it: cove run --box " + to + " -- PROGRAM")
}

func branchedAdvice(e *box.BranchedError) string {
	return "cove branch " + e.Name + " NAME makes another box on top of it; or remove what lies on it first: cove rm " + strings.Join(e.Branches, " ")
}

func (u *ui) noBoxesYet() { u.aside("there are no boxes") }

func (u *ui) whichBox(name string) {
	u.aside("the box " + name)
}

func (u *ui) stillRunning(name string) {
	u.note("the box " + name + " is in use: this is how it stands now")
}

func (u *ui) noChanges(name string) { u.aside("nothing changed in the box " + name) }

func (u *ui) removed(name string) { u.aside("removed " + name) }

func (u *ui) confirmRemoval(names []string) string {
	return fmt.Sprintf("cove: remove %s with all changes in them: %s? [y/N] ", count(len(names), "box", "boxes"), escape.Text(strings.Join(names, ", ")))
}

func notConfirmed() error {
	return hintedf("cove rm --all --yes", "cannot ask before removing all boxes: this is no terminal")
}

func whichBoxes() error { return hintedf("cove rm BOX…, or cove rm --all", "which box?") }

func allOrSome() error { return hintedf("cove rm --all alone", "cannot use --all together with names") }

// patience tells people that something goes on, once a second has passed. The line is taken away at the end.
func (u *ui) patience(what string) (done func()) {
	return u.patienceOf(func() string { return what })
}

func (u *ui) patienceOf(what func() string) (done func()) {
	if !u.errTTY || u.quiet {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		start, shown := time.Now(), false
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				shown = true
				fmt.Fprintf(u.err, "\r\x1b[Kcove: %s… %d s", escape.Text(what()), int(time.Since(start).Seconds()))
			case <-stop:
				if shown {
					fmt.Fprint(u.err, "\r\x1b[K")
				}
				return
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

// Profiles.

func brokenProfile(name string) string {
	return "cannot be used: cove profile check " + name + " tells why"
}

func textOfOne() error {
	return hintedf("cove profile show --text NAME", "--text is for one profile, and is not JSON")
}

func (u *ui) profileFine(name string) { u.aside(name + " is fine") }

func whichProfile() error {
	return hintedf("cove profile check NAME, or a file as ./mine.toml, or . for this directory's .cove.toml", "which profile?")
}

// States of a trusted file, as in JSON.
const (
	trustSame       = "trusted"
	trustChanged    = "changed"
	trustGone       = "gone"
	trustUnreadable = "unreadable"
	trustBroken     = "broken" // as it was, but your own profiles are not
)

func trustStates(state string) string {
	switch state {
	case trustChanged:
		return "changed since, and so not read"
	case trustUnreadable:
		return "cannot be read"
	case trustBroken:
		return "trusted, but cove profile check . tells of errors there"
	}
	return state
}

func (u *ui) trusted(path string) {
	u.aside(path + " is trusted as it is now; it may only tighten what your own profiles say")
}

func (u *ui) trustedAlready(path string) { u.aside(path + " is trusted already, as it is now") }

func (u *ui) untrusted(path string) { u.aside(path + " is not trusted any more") }

func (u *ui) nothingTrusted() { u.aside("you trust no directory's .cove.toml") }

func notTrusted(path string) error {
	return hintedf("cove profile trust --list shows what you trust", "cannot revoke the trust in %s: there is none", escape.Name(path))
}

// confirmTrust shows the file, or what changed in it since it was trusted.
func (u *ui) confirmTrust(path, text, before string, known bool) string {
	var b strings.Builder
	line := func(mark, hue, text string) {
		b.WriteString(paint(u.errHue, hue, mark+escape.Text(strings.TrimSuffix(text, "\n"))) + "\n")
	}
	what := "as shown above"
	if known {
		what = "with what changed above"
		for _, l := range compareLines(before, text) {
			switch l.mark {
			case '+':
				line("+ ", green, l.text)
			case '-':
				line("- ", red, l.text)
			default:
				line("  ", "", l.text)
			}
		}
	} else {
		for l := range strings.Lines(text) {
			line("  ", "", l)
		}
	}
	return fmt.Sprintf("%scove: trust %s, %s? [y/N] ", b.String(), escape.Text(path), what)
}

func trustNotConfirmed(word string) error {
	again := "cove profile trust --yes"
	if word != "" {
		again += " " + escape.Word(word)
	}
	return hintedf("read the file, then: "+again, "cannot ask whether to trust it: this is no terminal")
}

func listAlone() error {
	return hintedf("cove profile trust --list", "--list only lists, and trusts nothing")
}

func jsonOfList() error {
	return hintedf("cove profile trust --list --json", "--json is for --list")
}

func untrustAllOrSome() error {
	return hintedf("cove profile untrust --all alone", "cannot use --all together with names")
}

const no = "nothing was done"
