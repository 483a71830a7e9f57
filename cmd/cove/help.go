package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// common is what every command has. -h is answered before kong is asked.
type common struct {
	Help    bool `short:"h" help:"show this"`
	Quiet   bool `short:"q" help:"say nothing but errors"`
	Verbose bool `short:"v" hidden:"" help:"say more"`
}

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
		return exitOK, a.ui.print(overview(a.ui.outHue))
	}
	all := commands()
	wanted := strings.Join(words, " ")
	found := 0
	for i := range all {
		if all[i].name == wanted {
			return a.ui.help(&all[i]), nil
		}
		if strings.HasPrefix(all[i].name, wanted+" ") {
			found++
		}
	}
	if found > 0 {
		return exitOK, a.ui.print(group(all, wanted, a.ui.outHue))
	}
	return exitFailed, unknownCommand(wanted, names(all))
}

// overview is cove --help.
func overview(hue bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%s\n", summary, tour, paint(hue, bold, "Commands"))
	for _, c := range commands() {
		if c.hidden {
			continue
		}
		fmt.Fprintf(&b, "  %-16s %s\n", c.name, c.short)
	}
	fmt.Fprintf(&b, "\ncove COMMAND --help tells more.\n")
	return b.String()
}

// group is the help of the first of two words.
func group(all []command, first string, hue bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", paint(hue, bold, "cove "+first))
	for _, c := range all {
		if strings.HasPrefix(c.name, first+" ") {
			fmt.Fprintf(&b, "  %-16s %s\n", c.name, c.short)
		}
	}
	return b.String()
}

// text is the help of a command.
func (c *command) text(hue bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n\n%s\n", paint(hue, bold, "cove "+c.name), c.args, upper(c.short)+".")
	if c.long != "" {
		fmt.Fprintf(&b, "%s\n", c.long)
	}
	width := 0
	flags := c.allFlags()
	for _, f := range flags {
		width = max(width, len(f.usage()))
	}
	for i, f := range flags {
		switch {
		case f.group != "":
			fmt.Fprintf(&b, "\n%s\n", paint(hue, bold, f.group))
		case i == 0:
			fmt.Fprintf(&b, "\n%s\n", paint(hue, bold, "Flags"))
		}
		fmt.Fprintf(&b, "  %-*s  %s\n", width, f.usage(), f.help)
	}
	for i := 0; i+1 < len(c.examples); i += 2 {
		if i == 0 {
			fmt.Fprintf(&b, "\n%s\n", paint(hue, bold, "Examples"))
		}
		if line, comment := c.examples[i], c.examples[i+1]; comment != "" {
			fmt.Fprintf(&b, "  %-45s # %s\n", line, comment)
		} else {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	return b.String()
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// usage is the left column of the help: "-p, --profile NAME|FILE".
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

// allFlags are the flags of a command, wherever they are declared.
func (c *command) allFlags() (flags []flag) {
	if c.grammar == nil {
		for _, f := range c.flags {
			if f.help != "" {
				flags = append(flags, f)
			}
		}
		return flags
	}
	k, err := kong.New(c.grammar(), kong.NoDefaultHelp(), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		return nil // a test builds every grammar
	}
	for _, f := range k.Model.Flags {
		if f.Hidden {
			continue
		}
		l := flag{name: f.Name, help: f.Help}
		if f.Short != 0 {
			l.short = byte(f.Short)
		}
		if !f.IsBool() {
			l.value = f.PlaceHolder
		}
		flags = append(flags, l)
	}
	return flags
}
