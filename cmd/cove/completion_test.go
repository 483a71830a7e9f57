package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/internal/testenv"
)

// needBashCompletion finds the package, which has no program.
func needBashCompletion(t *testing.T) {
	t.Helper()
	testenv.NeedProgram(t, "bash")
	if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); err != nil {
		testenv.NeedProgram(t, "bash-completion")
	}
}

// hostile are names that a profile's file may have. Each would make the file pwned if a shell evaluated it.
var hostile = []string{
	"$(touch pwned)", "`touch pwned`", "${x:=$(touch pwned)}", "'; touch pwned; '", "\"; touch pwned; \"", "a; touch pwned", "x:$(touch pwned)",
	"<(touch pwned)", "%{$(touch pwned)%}", "[$(touch pwned)]", "(touch pwned)", "*", "~", "back\\slash", "!!", "#x", "a&touch pwned", "=ls", "{a,b}",
}

// A desk is a home with boxes and profiles, and a cove in PATH, on which a shell completes.
type desk struct {
	t         *testing.T
	home, bin string
	scripts   string // of cove completion, named after the shells
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t, t.TempDir(), t.TempDir(), t.TempDir()}
	d.must(os.Symlink(os.Args[0], filepath.Join(d.bin, "cove")))
	for _, box := range []string{"brave-otter", "calm-cat"} {
		d.write(".local/share/cove/boxes/"+box+"/box.json", "{}")
	}
	d.write(".config/cove/profiles/mine.toml", `description = "Mine: [a] 'b' $(touch pwned) %B"`)
	d.write(".config/cove/profiles/two words.toml", "")
	d.write("work/notes.txt", "")
	d.write("work/sub dir/x", "")
	d.write("fpath/_cove", zshScript())
	for shell, script := range map[string]string{"bash": bashScript(), "zsh": zshScript(), "fish": fishScript()} {
		d.must(os.WriteFile(filepath.Join(d.scripts, shell), []byte(script), 0o644))
	}
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) write(name, text string) {
	name = filepath.Join(d.home, name)
	d.must(os.MkdirAll(filepath.Dir(name), 0o755))
	d.must(os.WriteFile(name, []byte(text), 0o644))
}

// hostile adds the profiles with odd names.
func (d *desk) hostile() {
	for _, name := range append(hostile, "new\nline$(touch pwned)", "esc\x1b[31m$(touch pwned)", "bytes\xff") {
		d.write(".config/cove/profiles/"+name+".toml", "")
	}
}

// unharmed fails where something was evaluated.
func (d *desk) unharmed() {
	d.t.Helper()
	for _, dir := range []string{"", "work"} {
		if _, err := os.Lstat(filepath.Join(d.home, dir, "pwned")); err == nil {
			d.t.Errorf("the name of a profile was evaluated: there is %s", filepath.Join(dir, "pwned"))
		}
	}
}

func (d *desk) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Join(d.home, "work")
	cmd.Env = []string{"HOME=" + d.home, "PATH=" + d.bin + ":" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=dumb", "PS1=ready> ", "HISTFILE=",
		"SCRIPT=" + filepath.Join(d.scripts, name), "OFFERED_TO=completion"}
	return cmd
}

// terminal starts a shell on a terminal, in which ^T prints the line as it stands, and takes it away.
func (d *desk) terminal(name string, args ...string) *seat {
	d.t.Helper()
	s := sit(d.t, d.command(name, args...))
	s.resize(50, 250)
	s.sees("ready> ")
	return s
}

// completed types a line and the tab key, and tells what became of it.
func (d *desk) completed(s *seat, line string) string {
	d.t.Helper()
	s.types(line + "\t\x14")
	s.sees("LINE<")
	return s.upTo(">ENIL")
}

// upTo waits for text and returns what was printed before it.
func (s *seat) upTo(text string) string {
	s.t.Helper()
	s.mu.Lock()
	before := s.printed.String()
	s.mu.Unlock()
	for range 1500 {
		if at := strings.Index(before, text); at >= 0 {
			s.sees(text)
			return before[:at]
		}
		time.Sleep(10 * time.Millisecond)
		s.mu.Lock()
		before = s.printed.String()
		s.mu.Unlock()
	}
	s.t.Fatalf("%q was not printed, but\n%s", text, before)
	return ""
}

// What is typed before the tab key and after, the same in bash and zsh.
var typed = []struct{ before, after string }{
	{"cove com", "cove completion "},
	{"cove profile sch", "cove profile schema "},
	{"cove completion zs", "cove completion zsh "},
	{"cove run --prof", "cove run --profile "},
	{"cove run --dry", "cove run --dry-run "},
	{"cove run --no-nest", "cove run --no-nesting "},
	{"cove -q run --box bra", "cove -q run --box brave-otter "},
	{"cove run --box=bra", "cove run --box=brave-otter "},
	{"cove rm brave-otter cal", "cove rm brave-otter calm-cat "},
	{"cove diff bra", "cove diff brave-otter "},
	{"cove run -p age", "cove run -p agent "},
	{"cove run --profile=age", "cove run --profile=agent "},
	{"cove run --profile two", `cove run --profile two\ words `},
	{"cove run --profile=two", `cove run --profile=two\ words `},
	{`cove run --profile two\ w`, `cove run --profile two\ words `},
	{"cove run --home tm", "cove run --home tmpfs "},
	{"cove run --home=tm", "cove run --home=tmpfs "},
	{"cove run --ids si", "cove run --ids single "},
	{"cove run --hide @sec", "cove run --hide @secrets "},
	{"cove run --hide=@sec", "cove run --hide=@secrets "},
	{"cove run --ro not", "cove run --ro notes.txt "},
	{"cove run --ro=not", "cove run --ro=notes.txt "},
	{"cove run --workdir sub", `cove run --workdir sub\ dir/`},
	{"cove run --workdir not", "cove run --workdir not"},
	{"cove run --pass-env OFFERED", "cove run --pass-env OFFERED_TO "},
	{"cove run -qp age", "cove run -qp agent "},
	{"cove profile show min", "cove profile show mine "},
	{"cove profile show ./not", "cove profile show ./notes.txt "},
	{"cove help profile sch", "cove help profile schema "},
	// The program's own.
	{"cove run pwgr", "cove run pwgrade "},
	{"cove run -- pwgr", "cove run -- pwgrade "},
	{"cove run -p agent --rw . -- pwgrade --ste", "cove run -p agent --rw . -- pwgrade --steep "},
	{"cove run pwgrade --ste", "cove run pwgrade --steep "},
	{"cove run --home=tmpfs --rm pwgrade --steep ris", "cove run --home=tmpfs --rm pwgrade --steep rising "},
	{"cove plan -n pwgrade --box", "cove plan -n pwgrade --box"},
}

// A program with a completion of its own.
func (d *desk) program() {
	d.must(os.WriteFile(filepath.Join(d.bin, "pwgrade"), []byte("#!/bin/sh\n"), 0o755))
}

func TestBashOnATerminal(t *testing.T) {
	needBashCompletion(t)
	d := newDesk(t)
	d.program()
	d.write("rc", `
. /usr/share/bash-completion/bash_completion
. "$SCRIPT"
_pwgrade() { COMPREPLY=($(compgen -W "--steep rising" -- "${COMP_WORDS[COMP_CWORD]}")); }
complete -F _pwgrade pwgrade
bind 'set bell-style none' 'set show-all-if-ambiguous off'
bind -x '"\C-t": printf "LINE<%s>ENIL\n" "$READLINE_LINE"; READLINE_LINE='
PS1='ready> '
`)
	s := d.terminal("bash", "--noprofile", "--rcfile", filepath.Join(d.home, "rc"), "-i")
	for _, c := range typed {
		if have := d.completed(s, c.before); have != c.after {
			t.Errorf("%q became %q, not %q", c.before, have, c.after)
		}
	}
}

// Without a terminal: what a script offers for a line, of which words are as readline cuts them.
func TestBashReplies(t *testing.T) {
	testenv.NeedProgram(t, "bash")
	d := newDesk(t)
	d.hostile()
	for _, c := range []struct{ words, want string }{
		{"cove|ru", "run"},
		{"cove|profile|", "list show check schema trust untrust"},
		{"cove|rm|", "brave-otter calm-cat"},
		{"cove|run|--box|", "brave-otter calm-cat"},
		{"cove|run|--home|=|", "none tmpfs cow share"},
		{"cove|run|--net|", "none host"},
		{"cove|run|--uid|", "keep root"},
		{"cove|run|--tty|", "new auto keep"},
		{"cove|run|--overlay|k", "kernel"},
		{"cove|completion|", "bash zsh fish"},
		{"cove|--v", "--version"},
		{"cove|profile|trust|--y", "--yes"},
		{"cove|nonsense|", ""},
		{"cove|_comp", ""},
		{"cove|run|--|--bo", ""},
		{"cove|run|--hostname|", ""},
		{"cove|run|-p|'tw", ""}, // within quotes, only plain words
		{"cove|run|-p|'min", "mine"},
		{"cove|run|-p|\"a g", ""},
	} {
		if have := d.replies(c.words); have != c.want {
			t.Errorf("%s is offered %q, not %q", c.words, have, c.want)
		}
	}

	// Each odd name is one word for bash, and means itself.
	quoted := d.replies("cove|run|-p|")
	cmd := d.command("bash", "-c", "printf '%s\\n' "+quoted)
	out, err := cmd.CombinedOutput()
	d.must(err)
	for _, name := range append(hostile, "agent", "mine", "two words") {
		if !slices.Contains(strings.Split(string(out), "\n"), name) {
			t.Errorf("%q is not offered as one word: %s", name, out)
		}
	}
	if strings.Contains(string(out), "new") || strings.Contains(string(out), "esc") || strings.Contains(string(out), "bytes") {
		t.Errorf("a name with control characters is offered: %q", out)
	}
	for _, name := range hostile {
		d.replies("cove|run|-p|" + name)
		d.replies("cove|run|-p|=|" + name)
		d.replies("cove|run|" + name + "|--|" + name + "|")
		d.replies("cove|" + name)
	}
	d.unharmed()
}

// replies calls the completion function as bash would, and joins what it offers with blanks.
func (d *desk) replies(words string) string {
	d.t.Helper()
	list := strings.Split(words, "|")
	line := ""
	for i, w := range list {
		if i > 0 && w != "=" && list[i-1] != "=" {
			line += " "
		}
		line += w
	}
	const script = `
. "$SCRIPT"
compopt() { :; }
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_cove cove "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
echo "${COMPREPLY[*]}"
`
	cmd := d.command("bash", append([]string{"-c", script, "bash", line}, list...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", words, err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

func TestZshOnATerminal(t *testing.T) {
	testenv.NeedProgram(t, "zsh")
	d := newDesk(t)
	d.program()
	s := d.zsh()
	for _, c := range typed {
		after := c.after
		switch c.before {
		case "cove run --prof":
			after = "cove run --profile="
		}
		if have := d.completed(s, c.before); have != after {
			t.Errorf("%q became %q, not %q", c.before, have, after)
		}
	}

	d.hostile()
	for _, name := range hostile {
		d.completed(s, "cove run -p "+shellQuote(name)[:2])
	}
	for _, line := range []string{"cove run -p ", "cove run -p \t", "cove profile show ", "cove profile show \t"} {
		d.completed(s, line)
	}
	if have := d.completed(s, `cove run -p \$\(to`); have != `cove run -p \$\(touch\ pwned\) ` {
		t.Errorf("a hostile name became %q", have)
	}
	d.unharmed()
}

func (d *desk) zsh() *seat {
	d.write(".zshrc", `
fpath=(~/fpath $fpath)
autoload -U compinit && compinit -u -D
_pwgrade() { _arguments '--steep' '*:slope:(rising)' }
compdef _pwgrade pwgrade
unsetopt beep auto_menu prompt_sp prompt_cr zle_bracketed_paste
unset zle_bracketed_paste
show() { print -r -- "LINE<$BUFFER>ENIL" >$TTY; BUFFER= } # zle -I would give the terminal its usual modes for a moment
zle -N show
bindkey -e
bindkey '^T' show
PS1='ready> '
`)
	return d.terminal("zsh", "-d", "-i")
}

func TestFishReplies(t *testing.T) {
	testenv.NeedProgram(t, "fish")
	d := newDesk(t)
	d.program()
	for _, c := range []struct{ line, want string }{
		{"cove ru", "run"},
		{"cove profile ", "check list schema show trust untrust"},
		{"cove rm ", "brave-otter calm-cat"},
		{"cove rm brave-otter cal", "calm-cat"},
		{"cove diff brave-otter ", ""},
		{"cove run --box ", "brave-otter calm-cat"},
		{"cove run --box=bra", "--box=brave-otter"},
		{"cove run --home ", "cow none share tmpfs"},
		{"cove run --home=tm", "--home=tmpfs"},
		{"cove run --net ", "host none"},
		{"cove run --prof", "--profile"},
		{"cove run --no-nest", "--no-nesting"},
		{"cove -q run --dry", "--dry-run"},
		{"cove run -p two", `two words`},
		{"cove run --ro not", "notes.txt"},
		{"cove run --workdir sub", "sub dir/"},
		{"cove run --workdir not", ""},
		{"cove run --pass-env OFFERED", "OFFERED_TO"},
		{"cove run -qp age", "agent"},
		{"cove run --hide @sec", "@secrets"},
		{"cove profile show ./not", "./notes.txt"},
		{"cove completion ", "bash fish zsh"},
		{"cove help profile sch", "schema"},
		{"cove --ver", "--version"},
		{"cove _comp", ""},
		{"cove nonsense ", ""},
		{"cove run -- --box", ""},
		{"cove run pwgr", "pwgrade"},
		{"cove run -- pwgr", "pwgrade"},
		{"cove run -p agent --rw . -- pwgrade --ste", "--steep"},
		{"cove run --home=tmpfs --rm pwgrade --steep ris", "rising"},
		{"cove run pwgrade 'a b' --ste", "--steep"},
		{"cove run pwgrade --box", ""},
	} {
		if have := strings.Join(d.fish(c.line), " "); have != c.want {
			t.Errorf("%s is offered %q, not %q", c.line, have, c.want)
		}
	}

	d.hostile()
	have := d.fish("cove run -p ")
	for _, name := range append(hostile, "mine") {
		if !slices.Contains(have, name) {
			t.Errorf("%q is not offered: %q", name, have)
		}
		d.fish("cove run -p " + fishQuote(name)[:2])
		d.fish("cove run " + name + " -- " + name + " ")
		d.fish("cove " + name)
	}
	d.unharmed()
}

// fish is what it offers, sorted, without descriptions.
func (d *desk) fish(line string) (offered []string) {
	d.t.Helper()
	const script = `
source $SCRIPT
complete -c pwgrade -f -l steep
complete -c pwgrade -f -a rising
complete -C $argv[1]
`
	out, err := d.command("fish", "--no-config", "-c", script, line).CombinedOutput()
	if err != nil {
		d.t.Logf("%s: %v", line, err)
	}
	for _, l := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		name, _, _ := strings.Cut(l, "\t")
		if name != "" {
			offered = append(offered, name)
		}
	}
	slices.Sort(offered)
	return offered
}
