package main

import (
	"slices"
	"strings"
)

var completionCommand = command{
	name: "completion", args: "bash|zsh|fish",
	short: "print a script by which your shell completes what you type",
	long: `make install puts the scripts where shells look for them. Without that, load one when a shell starts:

  bash   source <(cove completion bash)            in ~/.bashrc
  zsh    source <(cove completion zsh)             in ~/.zshrc, after compinit
  fish   cove completion fish | source             in ~/.config/fish/config.fish

What follows the program of cove run is completed as it would be for the program alone. In bash that needs the
package bash-completion.`,
	examples: []string{
		"cove completion bash > ~/.local/share/bash-completion/completions/cove", "",
		"cove completion fish > ~/.config/fish/completions/cove.fish", "",
	},
	grammar: func() grammar { return &completionFlags{} }, run: byGrammar,
}

type completionFlags struct {
	common
	Shell string `arg:"" enum:"bash,zsh,fish"`
}

func (c *completionFlags) run(a *app) (int, error) {
	script := map[string]func() string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell]
	return exitOK, a.ui.print(script())
}

// The scripts are static: all but names of boxes and profiles is in them. Those they ask the cove in PATH for, not the
// word on the command line: to press a key beside ./cove must not run what is there. No shell may evaluate what it
// is told (a profile's file may have any name), and each must insert it quoted.

// A likeness is commands for which a script says the same.
type likeness struct {
	names []string
	text  string
}

// alike groups commands by each piece of what a script says for them.
func alike(say func(c *command) []string) (list []likeness) {
	for _, c := range shown() {
		for _, text := range say(&c) {
			i := slices.IndexFunc(list, func(l likeness) bool { return l.text == text })
			if i < 0 {
				list, i = append(list, likeness{text: text}), len(list)
			}
			list[i].names = append(list[i].names, c.name)
		}
	}
	return list
}

// seconds are the second words of a group.
func (g *commandGroup) seconds() (words []string) {
	for _, c := range g.members {
		words = append(words, strings.TrimPrefix(c.name, g.name+" "))
	}
	return words
}

// firsts are the first words of commands, each with what it does.
func firsts() (words, docs []string) {
	all, grouped := shown(), groups()
	for _, name := range names(all) {
		words = append(words, name)
		if i := slices.IndexFunc(all, func(c command) bool { return c.name == name }); i >= 0 {
			docs = append(docs, all[i].short)
			continue
		}
		i := slices.IndexFunc(grouped, func(g commandGroup) bool { return g.name == name })
		docs = append(docs, grouped[i].short())
	}
	return words, docs
}

// takesValue are the flags, as typed, that a value follows.
func takesValue(c *command) (typed []string) {
	for _, f := range c.allFlags() {
		if f.value != "" {
			typed = append(typed, f.typed()...)
		}
	}
	return typed
}

// typed is how a flag is written.
func (f flag) typed() (list []string) {
	if f.short != 0 {
		list = append(list, "-"+string(f.short))
	}
	list = append(list, "--"+f.name)
	if f.no != "" {
		list = append(list, "--"+f.no)
	}
	return list
}

// off is what the negation of a switch does.
func (f flag) off() string { return "not --" + f.name + ", where a profile says so" }

// shellQuote makes one word for bash and zsh, in which nothing is expanded.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func shellQuoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_@") != "" {
			quoted[i] = shellQuote(w)
		}
	}
	return strings.Join(quoted, " ")
}
