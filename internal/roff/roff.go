// Package roff writes manual pages in the macros of man(7), which groff and mandoc read alike.
//
//	p := roff.New("cove-run", 1, "2026-11-24", "cove", "cove manual")
//	p.Section("OPTIONS")
//	p.Tagged("--rm", "drop the changes at exit")
//
// It is for the tests that hold docs/man to what the program says, and is not in the program.
//
// Limits: text knows one mark, `code`, which is set bold. No tables, no links.
package roff

import (
	"fmt"
	"strings"
)

// A Page is a manual page in the making.
type Page struct {
	b     strings.Builder
	fresh bool // nothing stands below the title yet, and so no paragraph has to be begun
}

// New begins a page. The date is as 2026-11-24; source and manual stand at the foot and the head.
func New(name string, section int, date, source, manual string) *Page {
	p := &Page{}
	p.macro("TH", strings.ToUpper(name), fmt.Sprint(section), source, manual)
	// A date is no text: mandoc wants its hyphens as they are.
	th := p.b.String()
	p.b.Reset()
	p.b.WriteString(strings.Replace(th, fmt.Sprintf(" %d ", section), fmt.Sprintf(" %d %s ", section, date), 1))
	return p
}

// Name writes the section that apropos(1) finds pages by.
func (p *Page) Name(name, short string) {
	p.Section("NAME")
	p.b.WriteString(escape(name, true) + ` \- ` + escape(short, false) + "\n")
}

// String is the page.
func (p *Page) String() string { return p.b.String() }

// Section begins a section, with a title in capitals.
func (p *Page) Section(title string) { p.macro("SH", title) }

// Subsection begins a part of a section.
func (p *Page) Subsection(title string) { p.macro("SS", title) }

// Line writes a line of text as it is said, without a paragraph before it.
func (p *Page) Line(text string) { p.fill(text) }

// Paragraph writes a paragraph.
func (p *Page) Paragraph(text string) {
	p.begin()
	p.fill(text)
}

// Tagged writes a term in bold and what is said of it.
func (p *Page) Tagged(tag, text string) {
	p.macro("TP")
	p.b.WriteString(bold(tag) + "\n")
	p.fill(text)
}

// More goes on below the term with another paragraph.
func (p *Page) More(text string) {
	p.macro("IP")
	p.fill(text)
}

// Lines writes lines as they are, as examples.
func (p *Page) Lines(lines ...string) {
	p.begin()
	p.macro("nf")
	p.macro("RS", "4")
	for _, l := range lines {
		p.b.WriteString(guard(escape(l, true)) + "\n")
	}
	p.macro("RE")
	p.macro("fi")
}

func (p *Page) begin() {
	if !p.fresh {
		p.macro("PP")
	}
}

func (p *Page) macro(name string, args ...string) {
	p.b.WriteString("." + name)
	for _, a := range args {
		a = strings.ReplaceAll(escape(a, true), `"`, `\(dq`)
		if a == "" || strings.Contains(a, " ") {
			a = `"` + a + `"`
		}
		p.b.WriteString(" " + a)
	}
	p.b.WriteString("\n")
	p.fresh = name == "SH" || name == "SS"
}

// fill breaks text into lines that a reader of the source can bear.
func (p *Page) fill(text string) {
	const width = 78
	line, word := "", ""
	flush := func() {
		if line != "" && len(line)+1+len(word) > width {
			p.b.WriteString(guard(line) + "\n")
			line = ""
		}
		if line != "" && word != "" {
			line += " "
		}
		line, word = line+word, ""
	}
	for i, part := range strings.Split(text, "`") {
		for j, w := range strings.Split(strings.ReplaceAll(part, "\n", " "), " ") {
			if j > 0 {
				flush()
			}
			switch {
			case w == "":
			case i%2 == 1:
				word += bold(w)
			default:
				word += escape(w, literal(w))
			}
		}
	}
	flush()
	if line != "" {
		p.b.WriteString(guard(line) + "\n")
	}
	p.fresh = false
}

// literal tells whether a word is to be typed rather than read: a flag, a path.
func literal(word string) bool {
	word = strings.TrimLeft(word, "([\"'")
	return strings.HasPrefix(word, "-") || strings.ContainsAny(word, "/_~@=")
}

func bold(text string) string { return `\fB` + escape(text, true) + `\fR` }

// guard keeps a line of text from being a request.
func guard(line string) string {
	if line != "" && (line[0] == '.' || line[0] == '\'') {
		return `\&` + line
	}
	return line
}

// escape makes text mean itself. What is typed keeps the characters that roff would make typographic ones of.
func escape(text string, typed bool) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\(rs`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '-' && typed:
			b.WriteString(`\-`)
		case r == '\'' && typed:
			b.WriteString(`\(aq`)
		case r < ' ' && r != '\n' && r != '\t' || r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
