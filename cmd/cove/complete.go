package main

import (
	"strings"

	"cove/internal/box"
	"cove/internal/escape"
	"cove/profiles"
)

// completeCommand is not for people: the scripts of cove completion ask it for names at each press of the key. It
// never says why there are none, and it makes nothing.
//
//	cove _complete boxes       a name a line
//	cove _complete profiles    a name, a tab and a description a line
var completeCommand = command{name: "_complete", hidden: true, run: func(a *app, _ *command, args []string) (int, error) {
	var lines []string
	switch {
	case len(args) != 1 || a.where() != nil:
	case args[0] == "boxes":
		lines = a.boxLines()
	case args[0] == "profiles":
		lines = a.profileLines()
	}
	if len(lines) > 0 {
		_ = a.ui.print(strings.Join(lines, "\n") + "\n")
	}
	return exitOK, nil
}}

func (a *app) boxLines() []string {
	store, err := box.Open(a.dirs.Data)
	if err != nil {
		return nil
	}
	defer store.Close()
	names, err := store.Names()
	if err != nil {
		return nil
	}
	return names
}

// profileLines leaves out names that -p cannot be given, and those that are more than a line.
func (a *app) profileLines() (lines []string) {
	for _, i := range profiles.List(a.lookup()) {
		if escape.Text(i.Name) != i.Name || strings.HasPrefix(i.Name, "-") || strings.HasSuffix(i.Name, ".toml") {
			continue
		}
		lines = append(lines, i.Name+"\t"+escape.Text(i.Description))
	}
	return lines
}
