package main

import (
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"cove/profiles"
	"cove/sandbox/launch"
	"cove/userns"
)

// Exit statuses of cove's own; see docs and architecture: any other is the program's.
const (
	exitOK         = 0
	exitChanges    = 1   // cove diff: there are changes
	exitTrouble    = 2   // cove diff: could not look
	exitFailed     = 125 // cove could not do its part
	exitNotRunable = 126 // found, but cannot be executed
	exitNotFound   = 127
)

// app is cove with what it was given: streams, environment, and the words for people.
type app struct {
	stdin, stdout, stderr *os.File
	getenv                func(string) string
	ui                    *ui
	dirs                  launch.Dirs
	home, cwd             string
}

// A command is one word that cove knows.
type command struct {
	name  string // "profile list" is two words
	args  string // as in the usage line
	short string // one line, for the list of commands
	long  string // what else there is to know
	// examples are command lines, each with a comment.
	examples []string

	// A command is parsed by kong, from a struct with tags, or where every fraction of a millisecond counts, by
	// the table runFlags.
	grammar func() grammar
	flags   []flag
	run     func(a *app, c *command, args []string) (int, error)

	hidden bool // cove's own, left out of help

	// trouble is its exit status where cove could not do its part; exitFailed where it is 0.
	trouble int
}

// A grammar is a struct with kong's tags.
type grammar interface {
	run(a *app) (int, error)
	manners() (quiet, verbose bool) // of common, which each embeds
}

// commands are all that there are. It is a function because their help lists them.
func commands() []command {
	return []command{runCommand, shellCommand, planCommand, diffCommand, applyCommand, undoCommand, discardCommand, lsCommand, rmCommand, branchCommand,
		profileListCommand, profileShowCommand, profileCheckCommand, profileSchemaCommand, profileTrustCommand, profileUntrustCommand,
		doctorCommand, completionCommand, versionCommand, helpCommand(), removeCommand, completeCommand}
}

// main runs one command line, and tells the exit status.
//
// It dispatches on the first word and then parses for that command alone: kong needs a millisecond for a grammar
// of all of cove, a third of what a sandbox takes.
func (a *app) main(args []string) (status int) {
	a.ui = newUI(a.stdout, a.stderr, a.getenv)
	defer func() {
		if bug := recover(); bug != nil {
			status = a.ui.bug(bug, debug.Stack())
		}
	}()
	if err := userns.RefuseSetuid(); err != nil {
		return a.ui.failure(err, exitFailed)
	}
	c, rest, err := dispatch(args)
	if err != nil {
		return a.ui.failure(err, exitFailed)
	}
	if c == nil {
		return a.ui.welcome()
	}
	if i := slices.Index(rest, "--"); c.flags == nil && !c.hidden && wantsHelp(rest, i) {
		return a.ui.help(c)
	}
	status, err = c.run(a, c, rest)
	if err != nil {
		if c.trouble != 0 {
			return a.ui.failure(err, c.trouble)
		}
		return a.ui.failure(err, exitFailed)
	}
	return status
}

func wantsHelp(args []string, end int) bool {
	if end < 0 {
		end = len(args)
	}
	return slices.Contains(args[:end], "-h") || slices.Contains(args[:end], "--help")
}

// dispatch finds the command. Flags that every command has may stand before it.
func dispatch(args []string) (c *command, rest []string, err error) {
	all := commands()
	i := 0
	for i < len(args) && strings.HasPrefix(args[i], "-") && len(args[i]) > 1 {
		switch args[i] {
		case "-V", "--version":
			return &versionCommand, nil, nil
		case "-h", "--help":
			c := helpCommand()
			return &c, args[i+1:], nil
		case "-q", "--quiet", "-v", "--verbose", "--json":
		default:
			return nil, nil, misplaced(args[i])
		}
		i++
	}
	if i == len(args) {
		return nil, nil, nil
	}
	word, rest := args[i], slices.Concat(args[:i], args[i+1:])
	for j := range all {
		if all[j].name == word {
			return &all[j], rest, nil
		}
	}
	// Two words: profile list.
	var seconds []string
	for j := range all {
		first, second, _ := strings.Cut(all[j].name, " ")
		if second == "" || first != word {
			continue
		}
		if len(rest) > i && rest[i] == second {
			return &all[j], slices.Concat(rest[:i], rest[i+1:]), nil
		}
		seconds = append(seconds, second)
	}
	if seconds != nil {
		if wantsHelp(rest, -1) {
			c := helpCommand()
			return &c, []string{word}, nil
		}
		return nil, nil, unknownSecond(word, rest[i:], seconds)
	}
	return nil, nil, unknownCommand(word, names(all))
}

// names are the first words of all commands.
func names(all []command) (words []string) {
	for i := range all {
		first, _, _ := strings.Cut(all[i].name, " ")
		if !slices.Contains(words, first) && !all[i].hidden {
			words = append(words, first)
		}
	}
	return words
}

// byGrammar runs a command that kong parses.
func byGrammar(a *app, c *command, args []string) (int, error) {
	g, err := parse(c, args)
	if err != nil {
		return exitFailed, err
	}
	a.ui.quiet, a.ui.verbose = g.manners()
	return g.run(a)
}

// parse reads a command line that kong parses.
func parse(c *command, args []string) (grammar, error) {
	g := c.grammar()
	k, err := kong.New(g, kong.Name("cove "+c.name), kong.NoDefaultHelp(), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		return nil, err
	}
	if _, err := k.Parse(args); err != nil {
		return nil, badUsage(c, err)
	}
	return g, nil
}

// where finds the directories of everything.
func (a *app) where() (err error) {
	if a.home = a.getenv("HOME"); !strings.HasPrefix(a.home, "/") {
		user, err := userns.CurrentUser(a.getenv)
		if err != nil {
			return err
		}
		a.home = user.Home
	}
	if a.dirs, err = launch.FindDirs(a.getenv, a.home); err != nil {
		return err
	}
	if a.cwd, err = os.Getwd(); err != nil {
		a.cwd = "/" // it was removed under us
	}
	return nil
}

// lookup is where profiles are.
func (a *app) lookup() profiles.Dirs {
	return profiles.Dirs{Config: a.dirs.Config, Home: a.home, Cwd: a.cwd}
}
