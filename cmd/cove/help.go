package main

import (
	"strings"
	"unicode/utf8"
)

// common is what every command has. -h is answered before kong is asked.
type common struct {
	Help    bool `short:"h" help:"show this"`
	Quiet   bool `short:"q" help:"say nothing but errors"`
	Verbose bool `short:"v" hidden:"" help:"say more"`
}

func (c *common) manners() (quiet, verbose bool) { return c.Quiet, c.Verbose }

const summary = `cove runs a program over a copy of your home. Afterwards you see what it changed.`

const tour = `
  cove run -- make test     nothing that it writes reaches your home
  cove diff                 what it would have changed
  cove plan -- make test    what cove run does, step by step
`

func helpCommand() command {
	return command{
		name: "help", args: "[COMMAND]",
		short:    "show this, or the help of a command",
		examples: []string{"cove help run", "", "cove help profile show", ""},
		flags:    []flag{{short: 'h', name: "help", help: "show this"}, {name: "json", help: ""}, {short: 'q', name: "quiet", help: ""}, {short: 'v', name: "verbose", help: ""}},
		run:      (*app).runHelp,
	}
}

func (a *app) runHelp(c *command, args []string) (int, error) {
	_, words, err := readFlags(c.flags, args)
	if err != nil {
		return exitFailed, err
	}
	if len(words) == 0 {
		return exitOK, a.ui.print(overview(a.ui.page()))
	}
	all := shown()
	wanted := strings.Join(words, " ")
	for i := range all {
		if all[i].name == wanted {
			return a.ui.help(&all[i]), nil
		}
	}
	for _, g := range groups() {
		if g.name == wanted {
			return exitOK, a.ui.print(g.text(a.ui.page()))
		}
	}
	return exitFailed, unknownCommand(wanted, names(all))
}

// A page is a text that is filled up to a width.
type page struct {
	strings.Builder
	width int
	hue   bool
}

// Widths of help: lines of more than 100 characters are hard to read.
const (
	widest   = 100
	usual    = 80 // where no terminal says
	tightest = 40
)

func (p *page) heading(text string) { p.WriteString(paint(p.hue, bold, text) + "\n") }

// fill writes paragraphs. What begins with a blank is left as it is.
func (p *page) fill(text string) {
	words := ""
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || line[0] == ' ' {
			p.column("", 0, words)
			words = ""
			p.WriteString(line + "\n")
			continue
		}
		words += " " + line
	}
	p.column("", 0, words)
}

// column writes text beside what stands left of it, or where that leaves no room, below.
func (p *page) column(left string, indent int, text string) {
	words := strings.Fields(text)
	if len(words) == 0 {
		if left != "" {
			p.WriteString(strings.TrimRight(left, " ") + "\n")
		}
		return
	}
	if p.width-indent < 30 && left != "" {
		p.WriteString(strings.TrimRight(left, " ") + "\n")
		left, indent = "", 8
	}
	line := left + strings.Repeat(" ", max(0, indent-utf8.RuneCountInString(left)))
	empty := true
	for _, w := range words {
		if n := utf8.RuneCountInString(line) + utf8.RuneCountInString(w); !empty && n >= p.width {
			p.WriteString(line + "\n")
			line, empty = strings.Repeat(" ", indent), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+w, false
	}
	p.WriteString(line + "\n")
}

// list writes commands and what they do.
func (p *page) list(all []command) {
	wide := 0
	for _, c := range all {
		wide = max(wide, len(c.name))
	}
	for _, c := range all {
		p.column("  "+c.name, wide+4, c.short)
	}
}

// overview is cove --help.
func overview(p *page) string {
	p.fill(summary)
	p.WriteString(tour + "\n")
	p.heading("Commands")
	p.list(shown())
	p.WriteString("\n")
	p.fill("cove COMMAND --help tells more.")
	return p.String()
}

// text is the help of the first of two words.
func (g *commandGroup) text(p *page) string {
	p.heading("cove " + g.name)
	p.list(g.members)
	return p.String()
}

// text is the help of a command.
func (c *command) text(p *page) string {
	p.WriteString(strings.TrimSpace(paint(p.hue, bold, "cove "+c.name)+" "+c.args) + "\n\n")
	p.fill(upper(c.short) + ".")
	if c.long != "" {
		p.fill(c.long)
	}
	wide := 0
	flags := c.allFlags()
	for _, f := range flags {
		wide = max(wide, len(f.usage()))
	}
	for i, f := range flags {
		if f.group != "" || i == 0 {
			title := f.group
			if title == "" {
				title = "Flags"
			}
			p.WriteString("\n")
			p.heading(title)
		}
		p.column("  "+f.usage(), wide+4, f.help)
	}
	p.examples(c.examples)
	return p.String()
}

// examples writes command lines with their comments beside them, or where one has no room there, above.
func (p *page) examples(list []string) {
	if len(list) == 0 {
		return
	}
	p.WriteString("\n")
	p.heading("Examples")
	wide, above := 0, false
	for i := 0; i+1 < len(list); i += 2 {
		wide = max(wide, utf8.RuneCountInString(list[i]))
	}
	for i := 1; i < len(list); i += 2 {
		above = above || list[i] != "" && wide+6+utf8.RuneCountInString(list[i]) > p.width
	}
	for i := 0; i+1 < len(list); i += 2 {
		switch line, comment := list[i], list[i+1]; {
		case comment == "":
			p.WriteString("  " + line + "\n")
		case above:
			p.WriteString("  # " + comment + "\n  " + line + "\n")
		default:
			p.column("  "+line, wide+4, "# "+comment)
		}
	}
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// usage is the left column of the help: "-p, --profile PROFILE|FILE".
func (f flag) usage() string {
	s := "    --" + f.name
	if f.short != 0 {
		s = "-" + string(f.short) + ", --" + f.name
	}
	if f.value != "" {
		s += " " + f.value
	}
	return s
}
