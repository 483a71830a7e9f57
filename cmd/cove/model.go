package main

import (
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"cove/profiles"
)

// This file is the model of the command line that help, completion and manual pages are made from: the table of
// commands, the flags of each, and its usage line. A word in capitals there says what can stand in its place:
//
//	BOX          a box                   BOX:PATH   a path in one
//	PROFILE      a profile with a name   FILE PATH SRC DST DEST   a file or a directory
//	COMMAND      a command of cove       DIR        a directory
//	PROGRAM      a program, whose own words follow
//	VAR          a variable              @SET       a set of paths
//	a|b          these words             anything else: nothing that could be listed

//go:generate go test -run ^TestManual$ . -update

// An operand is what a command takes besides flags, as its usage line has it.
type operand struct {
	text string // "PROFILE|FILE", without brackets and dots
	many bool   // any number of them
	must bool
}

// allFlags are the flags of a command, wherever they are declared.
func (c *command) allFlags() (flags []flag) {
	if c.grammar == nil {
		for _, f := range c.flags {
			if f.help == "" {
				continue
			}
			if f.value == "" && f.key != "" {
				f.no = "no-" + f.name
			}
			f.words = wordsOf(f)
			flags = append(flags, f)
		}
		return flags
	}
	model, err := modelOf(c)
	if err != nil {
		return nil // a test builds every grammar
	}
	group := ""
	for _, f := range model.Flags {
		if f.Hidden {
			continue
		}
		l := flag{name: f.Name, help: f.Help}
		if f.Short != 0 {
			l.short = byte(f.Short)
		}
		switch {
		case f.IsBool() && f.Tag.Negatable != "":
			l.no = "no-" + f.Name
			if f.Tag.Negatable != "_" { // kong's word for "the usual"
				l.no = f.Tag.Negatable
			}
		case f.IsBool() || f.IsCounter():
		default:
			l.value = f.PlaceHolder
			if f.Enum != "" {
				l.words = slices.DeleteFunc(f.EnumSlice(), func(s string) bool { return s == "" })
			}
			if l.value == "" && l.words != nil {
				l.value = strings.Join(l.words, "|")
			}
			if l.value == "" {
				l.value = strings.ToUpper(f.Name)
			}
		}
		if f.Group != nil && f.Group.Title != group {
			group = f.Group.Title
			l.group = group
		}
		flags = append(flags, l)
	}
	return flags
}

// modelOf is what kong makes of a command's grammar.
func modelOf(c *command) (*kong.Application, error) {
	k, err := kong.New(c.grammar(), kong.Name("cove "+c.name), kong.NoDefaultHelp(), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		return nil, err
	}
	return k.Model, nil
}

// wordsOf are the words that the key of a flag takes, of those that the flag's help names: what is not built yet is
// not named there.
func wordsOf(f flag) (words []string) {
	told := strings.FieldsFunc(f.help, func(r rune) bool { return strings.ContainsRune(" ,;:()", r) })
	for _, w := range profiles.Words(f.key) {
		if slices.Contains(told, w) {
			words = append(words, w)
		}
	}
	return words
}

// operands reads the usage line.
func (c *command) operands() (list []operand) {
	depth, skipped := 0, 0 // brackets around, and of them that around flags
	for _, word := range strings.Fields(strings.NewReplacer("[", " [ ", "]", " ] ", "...", "…").Replace(c.args)) {
		switch {
		case word == "[":
			depth++
		case word == "]":
			if depth == skipped {
				skipped = 0
			}
			depth--
		case skipped > 0:
		case strings.HasPrefix(word, "-") || word == "flags":
			skipped = depth
		case word == "…" && len(list) > 0: // "[BOX]…"
			list[len(list)-1].many = true
		default:
			text, many := strings.CutSuffix(word, "…")
			list = append(list, operand{text, many || text == "COMMAND", depth == 0}) // a command may be two words
		}
	}
	return list
}

// isProgram: what follows is the program's, also what looks like a flag.
func (o operand) isProgram() bool { return o.text == "PROGRAM" }

// offers are what completion can put in the place of a word of a usage line, or of a flag's value: words in small
// letters for themselves, and in capitals those that are looked up.
func offers(text string) (list []string) {
	for _, word := range strings.Split(text, "|") {
		base, _, _ := strings.Cut(word, ".") // FILE.tar
		switch base {
		case "BOX", "BOX:PATH", "PROFILE", "COMMAND", "PROGRAM", "DIR", "VAR":
			list = append(list, base)
		case "FILE", "PATH", "SRC", "DST", "DEST":
			list = append(list, "FILE")
		case "@SET":
			for _, s := range profiles.SetNames() {
				list = append(list, "@"+s)
			}
		default:
			if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789-_") == "" {
				list = append(list, word)
			}
		}
	}
	return list
}

// offers of a flag's value.
func (f flag) offers() []string {
	if f.words != nil {
		return f.words
	}
	return offers(f.value)
}

// shown are the commands that people are told of.
func shown() (list []command) {
	for _, c := range commands() {
		if !c.hidden {
			list = append(list, c)
		}
	}
	return list
}

// A commandGroup is the first of two words: profile, of profile list and others.
type commandGroup struct {
	name    string
	members []command
}

func groups() (list []commandGroup) {
	for _, c := range shown() {
		first, second, _ := strings.Cut(c.name, " ")
		if second == "" {
			continue
		}
		i := slices.IndexFunc(list, func(g commandGroup) bool { return g.name == first })
		if i < 0 {
			list, i = append(list, commandGroup{name: first}), len(list)
		}
		list[i].members = append(list[i].members, c)
	}
	return list
}

// short is one line about a group.
func (g *commandGroup) short() string {
	var seconds []string
	for _, c := range g.members {
		seconds = append(seconds, strings.TrimPrefix(c.name, g.name+" "))
	}
	return strings.Join(seconds, ", ")
}
