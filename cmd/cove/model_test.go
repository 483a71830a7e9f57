package main

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The usage line of a command is what completion, help and manual pages tell of its arguments; kong's grammar is what
// is parsed. They agree.
func TestUsageLines(t *testing.T) {
	for _, c := range shown() {
		if c.grammar == nil {
			continue
		}
		model, err := modelOf(&c)
		if err != nil {
			t.Errorf("cove %s: %v", c.name, err)
			continue
		}
		list := c.operands()
		if len(list) != len(model.Positional) {
			t.Errorf("cove %s takes %d arguments, and its usage line %q shows %d", c.name, len(model.Positional), c.args, len(list))
			continue
		}
		for i, p := range model.Positional {
			if list[i].many != p.IsCumulative() {
				t.Errorf("cove %s: any number of %s: %v, in the usage line: %v", c.name, p.Name, p.IsCumulative(), list[i].many)
			}
			if p.Enum != "" && !slices.Equal(offers(list[i].text), p.EnumSlice()) {
				t.Errorf("cove %s: the usage line offers %v for %v", c.name, offers(list[i].text), p.EnumSlice())
			}
		}
	}
}

func TestOperands(t *testing.T) {
	for args, want := range map[string][]operand{
		"":                             nil,
		"[flags] [--] PROGRAM [ARGS…]": {{"PROGRAM", false, true}, {"ARGS", true, false}},
		"[--all [--yes]] [BOX…]":       {{"BOX", true, false}},
		"[--older-than AGE] [--json] BOX [PATH...]": {{"BOX", false, true}, {"PATH", true, false}},
		"[BOX [PATH]…]": {{"BOX", false, false}, {"PATH", true, false}},
		"bash|zsh|fish": {{"bash|zsh|fish", false, true}},
		"BOX:PATH DEST": {{"BOX:PATH", false, true}, {"DEST", false, true}},
		"[COMMAND]":     {{"COMMAND", true, false}},
	} {
		if have := (&command{args: args}).operands(); !reflect.DeepEqual(have, want) {
			t.Errorf("%q has the operands %v, not %v", args, have, want)
		}
	}
	for text, want := range map[string]string{"PROFILE|FILE": "PROFILE FILE", "FILE.tar": "FILE", "N": "", "a|b-c|D": "a b-c", "BOX:PATH": "BOX:PATH", "@SET": "@secrets"} {
		if have := strings.Join(offers(text), " "); have != want && !strings.HasPrefix(have, want+" @") {
			t.Errorf("%q offers %q, not %q", text, have, want)
		}
	}
}

// Every value of a key that a flag's help names is offered, and so is completed.
func TestWordsOfFlags(t *testing.T) {
	have := map[string]string{}
	for _, f := range runCommand.allFlags() {
		if f.words != nil {
			have[f.name] = strings.Join(f.words, " ")
		}
	}
	for name, want := range map[string]string{"home": "none tmpfs cow share", "overlay": "auto kernel fuse", "uid": "keep root", "ids": "single subids", "tty": "new auto keep"} {
		if have[name] != want {
			t.Errorf("--%s can be %q, not %q", name, have[name], want)
		}
	}
	if !strings.HasPrefix(have["net"], "none ") || !strings.HasSuffix(have["net"], " host") {
		t.Errorf("--net can be %q", have["net"])
	}
}

// Help fits a terminal, whatever its width, and every command has all that its help needs.
func TestHelpFits(t *testing.T) {
	for _, width := range []int{tightest, usual, 90, widest} {
		fits := func(name, text string) {
			for line := range strings.Lines(text) {
				line = strings.TrimSuffix(line, "\n")
				if line != strings.TrimRight(line, " \t") {
					t.Errorf("the help of %s has blanks at the end of %q", name, line)
				}
				if n := utf8.RuneCountInString(line); n > max(width, usual) {
					t.Errorf("the help of %s is %d wide: %q", name, n, line)
				}
			}
		}
		for _, c := range shown() {
			fits(c.name, c.text(&page{width: width}))
		}
		for _, g := range groups() {
			fits(g.name, g.text(&page{width: width}))
		}
		fits("cove", overview(&page{width: width}))
	}
	for _, c := range shown() {
		if len(c.examples) == 0 || len(c.examples)%2 != 0 {
			t.Errorf("cove %s has no examples, or an odd number of lines and comments", c.name)
		}
		for i := 0; i < len(c.examples); i += 2 {
			if !strings.Contains(c.examples[i], "cove "+c.name) {
				t.Errorf("an example of cove %s is about something else: %s", c.name, c.examples[i])
			}
		}
		if c.short == "" || strings.HasSuffix(c.short, ".") || c.short[0] >= 'A' && c.short[0] <= 'Z' {
			t.Errorf("cove %s: %q is no line for a list", c.name, c.short)
		}
		for _, f := range c.allFlags() {
			if f.help == "" {
				t.Errorf("cove %s --%s has no help", c.name, f.name)
			}
		}
	}
}

// Examples can be typed: their words are flags and commands that there are.
func TestExamplesAreParsed(t *testing.T) {
	for _, c := range shown() {
		for i := 0; i+1 < len(c.examples); i += 2 {
			words := strings.Fields(c.examples[i])
			at := slices.Index(words, "cove")
			if end := slices.IndexFunc(words, func(w string) bool { return w == "|" || w == ">" || w == ";" || w == "&&" }); end > at {
				words = words[:end]
			}
			found, rest, err := dispatch(words[at+1:])
			if err != nil || found.name != c.name {
				t.Errorf("%q: %v", c.examples[i], err)
				continue
			}
			if c.grammar == nil {
				_, _, err = readFlags(c.flags, rest)
			} else {
				_, err = parse(&c, rest)
			}
			if err != nil {
				t.Errorf("%q: %v", c.examples[i], err)
			}
		}
	}
}

// Each way to ask for help answers, on standard output and with 0.
func TestHelpAnswers(t *testing.T) {
	ask := func(args ...string) (string, int) {
		out, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		a := &app{stdin: null, stdout: out, stderr: null, getenv: os.Getenv}
		status := a.main(args)
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text), status
	}
	for _, c := range shown() {
		name := strings.Fields(c.name)
		for _, args := range [][]string{append([]string{"help"}, name...), append(slices.Clone(name), "--help"), append(slices.Clone(name), "-h"), append([]string{"--help"}, name...)} {
			want := c.text(&page{width: usual})
			if c.name == "help" && args[1] != "help" { // of all
				want = overview(&page{width: usual})
			}
			if text, status := ask(args...); text != want || status != 0 {
				t.Errorf("cove %s answers with status %d\n%s", strings.Join(args, " "), status, text)
			}
		}
	}
	for _, args := range [][]string{{"-V"}, {"--version"}, {"version"}} {
		if text, status := ask(args...); !strings.HasPrefix(text, "cove ") || status != 0 {
			t.Errorf("cove %v answers %d %q", args, status, text)
		}
	}
	for _, word := range []string{"_complete", removeCommand.name} {
		if _, status := ask("help", word); status != exitFailed {
			t.Errorf("there is help about cove %s, which is not for people", word)
		}
	}
}

// A flag that is nearly one of the command's is answered with that.
func TestTyposOfFlags(t *testing.T) {
	for _, c := range shown() {
		var b bytes.Buffer
		u := &ui{out: &b, err: &b}
		a := &app{getenv: os.Getenv, ui: u}
		_, err := c.run(a, &c, []string{"--hel"})
		if err == nil {
			t.Errorf("cove %s takes --hel", c.name)
			continue
		}
		u.failure(err, exitFailed)
		if !strings.Contains(b.String(), "did you mean --help?") {
			t.Errorf("cove %s --hel:\n%s", c.name, b.String())
		}
	}
}

// On a terminal there are colours, and none where NO_COLOR says so: neither in help nor in lists nor in errors.
func TestNoColor(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"help", "profile"}, {"run", "--nonsense"}, {"profile", "show", "nonsense"}, {}} {
		for _, no := range []string{"", "1"} {
			cmd := coveIn(t.TempDir(), args...)
			cmd.Env = append(cmd.Env, "TERM=xterm", "NO_COLOR="+no)
			text, _ := sit(t, cmd).rest()
			if strings.Contains(text, "\x1b") != (no == "") {
				t.Errorf("cove %s with NO_COLOR=%s prints %q", strings.Join(args, " "), no, text)
			}
		}
	}
}
