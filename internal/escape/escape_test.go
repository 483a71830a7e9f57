package escape

import (
	"os/exec"
	"strings"
	"testing"
	"unicode"

	"cove/internal/testenv"
)

func TestName(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain name.txt", "plain name.txt"},
		{"größe/дом/家", "größe/дом/家"},
		{"", ""},
		{"\x1b]0;owned\a", `\x1b]0;owned\a`},
		{"\x1b[2J\x1b[1;1H", `\x1b[2J\x1b[1;1H`},
		{"a\nrm -rf", `a\nrm -rf`},
		{"a\rb\tc\x00d\x7f", `a\rb\tc\x00d\x7f`},
		{"\u009b31m", `\u009b31m`}, // CSI as one character of C1
		{"\x9b31m", `\x9b31m`},     // and as a byte that is not UTF-8
		{"inv\u202egpj.exe", `inv\u202egpj.exe`},
		{"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069", `\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069`},
		{"zero\u200bwidth\ufeff", `zero\u200bwidth\ufeff`},
		{"line\u2028sep\u2029", `line\u2028sep\u2029`},
		{"hard\u00a0space", `hard\u00a0space`},
		{"tag\U000e0041", `tag\U000e0041`},
		{`back\slash`, `back\\slash`},
		{`\x1b`, `\\x1b`}, // not the escape character: its name
		{"bad\xff\xc3", `bad\xff\xc3`},
		{"\ufffd", "\ufffd"}, // the replacement character itself is printable
	} {
		if got := Name(c.in); got != c.want {
			t.Errorf("Name(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

func TestText(t *testing.T) {
	if got, want := Text("cannot read \"a\\nb\": \x1b[31m"), `cannot read "a\nb": \x1b[31m`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What Word makes is what a shell reads back.
func TestWordIsReadBack(t *testing.T) {
	shell := testenv.NeedProgram(t, "bash")
	words := []string{"", "ls", "a b", "it's", "$HOME", "~/x", "a\nb", "tab\there", "\x1b[31m'", `back\slash`, `both\'` + "\n", "größe", "K=V", "*", "家 家", "!x", "\xff\x01"}
	for _, w := range words {
		out, err := exec.Command(shell, "-c", "printf %s "+Word(w)).Output()
		if err != nil || string(out) != w {
			t.Errorf("Word(%q) = %s, which bash reads as %q (%v)", w, Word(w), out, err)
		}
	}
	if got := Word("ls"); got != "ls" {
		t.Errorf("a plain word is quoted: %s", got)
	}
}

func FuzzName(f *testing.F) {
	f.Add("a\x1b\u202e\xff\\")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Name(s) {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune("\u2028\u2029", r) {
				t.Errorf("Name(%q) lets %U through", s, r)
			}
		}
	})
}
