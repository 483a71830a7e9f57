package roff

import (
	"strings"
	"testing"
)

// What stands on a page is text, whatever it looks like.
func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		"plain, well-known text":         "plain, well-known text",
		"see --home and `--no-nesting`.": `see \-\-home and \fB\-\-no\-nesting\fR.`,
		".TH x":                          `\&.TH x`,
		"'tis":                           `\&'tis`,
		`a\b`:                            `a\(rsb`,
		"~/.config/cove":                 `\(ti/.config/cove`,
		"BOX…":                           `BOX\[u2026]`,
		"(`-x`)":                         `(\fB\-x\fR)`,
		"two\nlines":                     "two lines",
	} {
		p := &Page{}
		p.Line(text)
		if have := strings.TrimSuffix(p.String(), "\n"); have != want {
			t.Errorf("%q is written %q, not %q", text, have, want)
		}
	}
	p := New("a-b", 1, "2026-01-02", "s", "the \"manual\"")
	if want := ".TH A\\-B 1 2026-01-02 s \"the \\(dqmanual\\(dq\"\n"; p.String() != want {
		t.Errorf("%q", p.String())
	}
	p = &Page{}
	p.Line(strings.Repeat("word ", 100))
	for line := range strings.Lines(p.String()) {
		if len(line) > 90 {
			t.Errorf("%d: %s", len(line), line)
		}
	}
	p = &Page{}
	p.Line(strings.Repeat("a ", 39) + "wide .x") // where the line breaks
	for line := range strings.Lines(p.String()) {
		if line[0] == '.' {
			t.Errorf("a request: %s", line)
		}
	}
}
