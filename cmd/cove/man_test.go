package main

import (
	goflag "flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cove/internal/roff"
	"cove/internal/testenv"
)

var update = goflag.Bool("update", false, "write what generated files should be")

// The manual pages are made from the table of commands, and this test holds them to it:
//
//	go generate ./...
//
// cove-profile(5) is made from the table of keys, in package profiles.
const manual = "../../docs/man"

func TestManual(t *testing.T) {
	pages := map[string]string{"cove.1": topPage()}
	for _, g := range groups() {
		pages[pageName(g.name)+".1"] = groupPage(&g)
	}
	for _, c := range shown() {
		pages[pageName(c.name)+".1"] = commandPage(&c)
	}
	files, err := filepath.Glob(manual + "/*.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if pages[filepath.Base(file)] != "" {
			continue
		}
		if !*update {
			t.Errorf("%s is about no command: run go generate ./...", file)
		} else if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range pages {
		file := filepath.Join(manual, name)
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(file); err != nil || string(have) != want {
			t.Errorf("%s is not what the commands say (%v): run go generate ./...", file, err)
		}
	}
}

// manualDate is that of the last change of what the pages say by themselves.
const manualDate = "2026-11-24"

func newPage(name, short string) *roff.Page {
	p := roff.New(name, 1, manualDate, "cove", "cove manual")
	p.Name(name, short)
	return p
}

func pageName(command string) string { return "cove-" + strings.ReplaceAll(command, " ", "-") }

func seeAlso(p *roff.Page, pages ...string) {
	slices.Sort(pages)
	p.Section("SEE ALSO")
	p.Line(strings.Join(slices.Compact(pages), ", "))
}

// of is a page's name as other pages refer to it.
func of(command string) string { return "`" + pageName(command) + "`(1)" }

func topPage() string {
	p := newPage("cove", "run a program over a copy of your home")
	p.Section("SYNOPSIS")
	p.Line("`cove` COMMAND [flags] [arguments]")
	p.Section("DESCRIPTION")
	p.Line(summary)
	p.Paragraph("The program gets namespaces of its own, no capability, a filter of system calls, no network, and a home that it may change: the changes land in a box.")
	p.Lines(strings.Split(strings.Trim(strings.ReplaceAll(tour, "\n  ", "\n"), "\n"), "\n")...)
	p.Section("COMMANDS")
	for _, c := range shown() {
		p.Tagged("cove "+c.name, upper(c.short)+".")
	}
	p.Paragraph("`cove` COMMAND `--help` and " + of("COMMAND") + " tell more of each.")
	p.Section("EXIT STATUS")
	p.Line("That of the program, where one was run; 128+n where signal n ended it. Of cove itself:")
	p.Tagged("125", "cove could not do its part; standard error says why, and what to try.")
	p.Tagged("126", "The program was found but cannot be executed.")
	p.Tagged("127", "The program was not found.")
	p.Section("ENVIRONMENT")
	for _, v := range [][2]string{
		{"HOME", "Your home. Without it, that of the password database."},
		{"XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_RUNTIME_DIR", "Where cove keeps profiles, boxes and locks, each in a directory `cove`."},
		{"SHELL", "What `cove shell` starts."},
		{"NO_COLOR", "Where it is not empty, there are no colours. They are on terminals only anyway."},
	} {
		p.Tagged(v[0], v[1])
	}
	p.Section("FILES")
	p.Tagged("~/.config/cove/profiles/NAME.toml", "Your profiles.")
	p.Tagged("~/.config/cove/trusted", "The `.cove.toml` files that you trust, as they were then.")
	p.Tagged("~/.local/share/cove/boxes", "The boxes. They may hold work that is nowhere else.")
	p.Tagged(".cove.toml", "A project's own profile, read when you ask for it or trust it.")
	var pages []string
	for _, c := range shown() {
		pages = append(pages, of(c.name))
	}
	for _, g := range groups() {
		pages = append(pages, of(g.name))
	}
	seeAlso(p, append(pages, "`cove-profile`(5)")...)
	return p.String()
}

func groupPage(g *commandGroup) string {
	p := newPage(pageName(g.name), g.short())
	p.Section("SYNOPSIS")
	var pages []string
	for i, c := range g.members {
		usage := "`cove " + c.name + "` " + c.args
		if i == 0 {
			p.Line(usage)
		} else {
			p.Paragraph(usage)
		}
		pages = append(pages, of(c.name))
	}
	p.Section("COMMANDS")
	for _, c := range g.members {
		p.Tagged("cove "+c.name, upper(c.short)+".")
	}
	seeAlso(p, append(pages, "`cove`(1)", "`cove-profile`(5)")...)
	return p.String()
}

func commandPage(c *command) string {
	p := newPage(pageName(c.name), c.short)
	p.Section("SYNOPSIS")
	p.Line("`cove " + c.name + "` " + c.args)
	p.Section("DESCRIPTION")
	p.Line(upper(c.short) + ".")
	prose(p, c.long)
	p.Section("OPTIONS")
	for _, f := range c.allFlags() {
		if f.group != "" {
			p.Subsection(f.group)
		}
		tag := strings.TrimSpace(f.usage())
		if f.no != "" {
			tag += ", --" + f.no
		}
		help := f.help + "."
		if first, _, _ := strings.Cut(help, " "); !slices.Contains(f.words, first) { // words are spelled as they are
			help = upper(help)
		}
		p.Tagged(tag, help)
	}
	if c.name == "run" || c.name == "shell" || strings.Contains(strings.ToLower(c.long), "exit status") {
		// The text tells.
	} else {
		p.Section("EXIT STATUS")
		p.Line("0, or 125 where cove could not do its part.")
	}
	p.Section("EXAMPLES")
	for i := 0; i+1 < len(c.examples); i += 2 {
		if c.examples[i+1] != "" {
			p.Paragraph(upper(c.examples[i+1]) + ":")
		}
		p.Lines(c.examples[i])
	}
	pages := []string{"`cove`(1)", "`cove-profile`(5)"}
	first, _, _ := strings.Cut(c.name, " ")
	for _, o := range shown() {
		if f, second, _ := strings.Cut(o.name, " "); second != "" && f == first && o.name != c.name {
			pages = append(pages, of(o.name))
		}
	}
	for _, o := range shown() {
		if strings.Contains(" "+c.long+" ", "cove "+o.name+" ") && o.name != c.name {
			pages = append(pages, of(o.name))
		}
	}
	seeAlso(p, pages...)
	return p.String()
}

// prose writes paragraphs; lines that begin with a blank stay lines.
func prose(p *roff.Page, text string) {
	var words, lines []string
	flush := func() {
		if words != nil {
			p.Paragraph(strings.Join(words, " "))
		}
		if lines != nil {
			p.Lines(lines...)
		}
		words, lines = nil, nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == "":
			flush()
		case line[0] == ' ':
			if words != nil {
				flush()
			}
			lines = append(lines, strings.TrimPrefix(line, "  "))
		default:
			if lines != nil {
				flush()
			}
			words = append(words, line)
		}
	}
	flush()
}

// No reader of manual pages has anything to say against ours.
func TestManualIsClean(t *testing.T) {
	files, err := filepath.Glob(manual + "/*")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, reader := range [][]string{{"mandoc", "-T", "lint", "-W", "all"}, {"groff", "-man", "-Tutf8", "-K", "utf8", "-ww", "-z"}} {
		t.Run(reader[0], func(t *testing.T) {
			testenv.NeedProgram(t, reader[0])
			for _, file := range files {
				out, err := exec.Command(reader[0], append(reader[1:], file)...).CombinedOutput()
				if err != nil || len(out) > 0 {
					t.Errorf("%s: %v\n%s", file, err, out)
				}
			}
		})
	}
}
