package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// On a terminal: a directory's .cove.toml is named where it is not read, shown whole when it is to be trusted, and then
// with what changed.
func TestTrustOnATerminal(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, ".cove.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("# about\u202e\n[files]\nhide = [\"~/a\"]\n")

	s := sit(t, coveIn(home, "run", "--", "true"))
	s.sees("./.cove.toml is not trusted, so it is not read; to read it: cove profile trust ./.cove.toml")
	if text, code := s.rest(); code != 0 {
		t.Errorf("status %d, printed %q", code, text)
	}
	s = sit(t, coveIn(home, "run", "-q", "--", "true"))
	if text, code := s.rest(); code != 0 || strings.Contains(text, "not trusted") {
		t.Errorf("with -q: status %d, printed %q", code, text)
	}

	s = sit(t, coveIn(home, "profile", "trust"))
	s.sees("  # about\\u202e\r\n  [files]\r\n  hide = [\"~/a\"]\r\n")
	s.sees("as shown above? [y/N] ")
	s.types("n\n")
	s.sees("nothing was done")
	if _, code := s.rest(); code != exitFailed {
		t.Errorf("no is answered with status %d", code)
	}

	s = sit(t, coveIn(home, "profile", "trust", "./.cove.toml"))
	s.sees("[y/N] ")
	s.types("y\n")
	s.sees("is trusted as it is now")
	if _, code := s.rest(); code != 0 {
		t.Errorf("yes is answered with status %d", code)
	}
	s = sit(t, coveIn(home, "profile", "trust"))
	s.sees("is trusted already")
	s.rest()

	write("# about\u202e\n[files]\nhide = [\"~/b\"]\n")
	s = sit(t, coveIn(home, "run", "--", "true"))
	s.sees("it changed since you trusted it")
	s.rest()
	cmd := coveIn(home, "profile", "trust")
	cmd.Env = append(cmd.Env, "NO_COLOR=1", "TERM=xterm")
	s = sit(t, cmd)
	s.sees("  # about\\u202e\r\n  [files]\r\n- hide = [\"~/a\"]\r\n+ hide = [\"~/b\"]\r\n")
	s.sees("with what changed above? [y/N] ")
	s.types("no\n")
	s.rest()
	cmd = coveIn(home, "profile", "trust")
	cmd.Env = append(cmd.Env, "NO_COLOR=", "TERM=xterm") // as no-color.org says: empty is not set
	s = sit(t, cmd)
	s.sees("\x1b[31m- hide = [\"~/a\"]\x1b[m\r\n\x1b[32m+ hide = [\"~/b\"]\x1b[m\r\n")
	s.types("yes\n")
	s.sees("is trusted as it is now")
	s.rest()
}

func TestCompareLines(t *testing.T) {
	lines := func(words string) string { return strings.ReplaceAll(words, " ", "\n") }
	for _, c := range []struct{ before, after, want string }{
		{"", "", ""},
		{"a b c ", "a b c ", " a  b  c "},
		{"a b c ", "a x c ", " a -b +x  c "},
		{"a b c ", "b c d ", "-a  b  c +d "},
		{"a b c d e ", "a c x e f ", " a -b  c -d +x  e +f "},
		{"a a a ", "a a ", " a  a -a "},
		{"", "a ", "+a "},
		{"a ", "", "-a "},
		{"a", "a ", "-a+a "},
	} {
		have := ""
		for _, l := range compareLines(lines(c.before), lines(c.after)) {
			have += string(l.mark) + strings.ReplaceAll(l.text, "\n", " ")
		}
		if have != c.want {
			t.Errorf("%q and %q: %q, not %q", c.before, c.after, have, c.want)
		}
	}
	// What would take long is still whole.
	var before, after strings.Builder
	for range 5000 {
		before.WriteString("a\nb\n")
		after.WriteString("b\nc\n")
	}
	var a, b strings.Builder
	for _, l := range compareLines("x\n"+before.String()+"y\n", "x\n"+after.String()+"y\n") {
		if l.mark != '+' {
			a.WriteString(l.text)
		}
		if l.mark != '-' {
			b.WriteString(l.text)
		}
	}
	if a.String() != "x\n"+before.String()+"y\n" || b.String() != "x\n"+after.String()+"y\n" {
		t.Error("of long texts not all is shown")
	}
}
