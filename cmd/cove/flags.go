package main

import (
	"strings"

	"cove/profiles"
)

// A flag is one of run, shell and plan.
type flag struct {
	short byte
	name  string
	value string // what its value is called; "" for a switch
	key   string // the key of a profile that says the same; "" for what only a command line can say
	help  string
	group string // the heading that it begins, in the help

	// Known to allFlags only.
	words []string // that the value can be
	no    string   // the name that turns a switch off
}

// runFlags are the flags of cove run, in the order of the help. A flag that sets a profile's key goes into the layer
// of flags, which wins over profiles.
//
// They are a table and not a kong grammar because kong.New and Parse take half a millisecond in a fresh process even
// for the smallest grammar, and 1 ms for this one; a whole sandbox takes 3 ms. A table also keeps the order among
// different flags: --ro ~/x --rw ~/x/y and --env A=1 --pass-env A mean what comes last.
var runFlags = []flag{
	{group: "Profile and box", short: 'p', name: "profile", value: "PROFILE|FILE", help: "profile to use, '.' for this directory's .cove.toml; repeatable, later ones win"},
	{name: "box", value: "BOX", help: "keep the changes in this box, and go on with those that are in it"},
	{name: "rm", help: "drop the changes at exit"},

	{group: "What the program sees", name: "home", value: "MODE", key: "home.mode", help: "cow (a copy of yours; default), tmpfs (empty), share (the real one), none"},
	{name: "overlay", value: "HOW", key: "home.overlay", help: "who keeps the copy: auto (default), kernel, fuse"},
	{name: "ro", value: "PATH", key: "files.ro", help: "let PATH in for reading; SRC:DST to show it elsewhere; repeatable"},
	{name: "rw", value: "PATH", key: "files.rw", help: "let PATH in, and write through to the real files; SRC:DST; repeatable"},
	{name: "hide", value: "PATH|@SET", key: "files.hide", help: "hide PATH, whether it exists or not, or a set, as @secrets; repeatable"},
	{name: "root", value: "DIR", key: "process.root", help: "another distribution's root directory instead of this one's, read-only"},
	{name: "root-cow", key: "process.root_cow", help: "make that one copy-on-write"},
	{name: "workdir", value: "DIR", key: "process.workdir", help: "start in DIR; default: where you are, which must be in sight inside"},
	{name: "net", value: "MODE", key: "network.mode", help: "none (default), host (all that you can reach)"},

	{group: "Who it is", name: "uid", value: "WHO", key: "identity.uid", help: "keep (your ids; default), root (0 inside), or a number"},
	{name: "ids", value: "WHICH", key: "identity.ids", help: "single (only yours; default), subids (those of /etc/subuid too)"},
	{name: "env", value: "VAR=VALUE", key: "env.set", help: "set a variable; repeatable"},
	{name: "pass-env", value: "VAR", key: "env.pass", help: "let a variable of yours in; repeatable"},
	{name: "hostname", value: "NAME", key: "process.hostname", help: "host name inside"},
	{name: "tty", value: "MODE", key: "process.tty", help: "terminal: auto (default), new (one of its own), keep (yours)"},
	{name: "nesting", key: "process.nesting", help: "let it make sandboxes of its own"},

	{group: "What cove says", short: 'n', name: "dry-run", help: "print the plan and stop, as cove plan does"},
	{name: "json", help: "print the plan as JSON"},
	{short: 'q', name: "quiet", help: "say nothing but errors"},
	{short: 'v', name: "verbose", help: "say more; in a plan, the values of variables, all hidden names, every Landlock rule"},
	{short: 'h', name: "help", help: "show this"},
}

// A setting is one flag of a command line.
type setting struct {
	flag  *flag
	value string
	text  string // as it was typed, for switches that were negated
}

// readFlags reads flags until the first other word or --. What follows is the program's.
//
//	--name value   --name=value   --switch   --no-switch   -nvalue   -n value   -qv
//
// A value that begins with - must be joined with =, since it is a forgotten value more often than a value.
func readFlags(table []flag, args []string) (settings []setting, rest []string, err error) {
	for len(args) > 0 {
		word := args[0]
		switch {
		case word == "--":
			return settings, args[1:], nil
		case len(word) < 2 || word[0] != '-':
			return settings, args, nil
		}
		args = args[1:]
		if word[1] != '-' {
			if settings, args, err = readShort(table, settings, word, args); err != nil {
				return nil, nil, err
			}
			continue
		}
		name, value, joined := strings.Cut(word[2:], "=")
		f, no := findFlag(table, name)
		switch {
		case f == nil:
			return nil, nil, unknownFlag("--"+name, table)
		case f.value == "" && joined:
			return nil, nil, needlessValue(f, value)
		case f.value == "":
			value = "true"
			if no {
				value = "false"
			}
		case !joined:
			if value, args, err = nextValue(f, "--"+name, args); err != nil {
				return nil, nil, err
			}
		}
		settings = append(settings, setting{f, value, "flag --" + name})
	}
	return settings, nil, nil
}

// readShort reads one word of short flags.
func readShort(table []flag, settings []setting, word string, args []string) ([]setting, []string, error) {
	for i := 1; i < len(word); i++ {
		var f *flag
		for j := range table {
			if table[j].short == word[i] {
				f = &table[j]
			}
		}
		if f == nil {
			return nil, nil, unknownFlag("-"+word[i:], table)
		}
		s := setting{f, "true", "flag --" + f.name}
		if f.value != "" {
			var err error
			if s.value = strings.TrimPrefix(word[i+1:], "="); s.value == "" {
				if s.value, args, err = nextValue(f, "-"+string(word[i]), args); err != nil {
					return nil, nil, err
				}
			}
			return append(settings, s), args, nil
		}
		settings = append(settings, s)
	}
	return settings, args, nil
}

func nextValue(f *flag, typed string, args []string) (string, []string, error) {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") && len(args[0]) > 1 {
		return "", nil, missingValue(f, typed)
	}
	return args[0], args[1:], nil
}

// findFlag looks a long name up. A switch that a profile may have turned on can be turned off: --no-nesting.
func findFlag(table []flag, name string) (f *flag, no bool) {
	for i := range table {
		if table[i].name == name {
			return &table[i], false
		}
		if table[i].value == "" && table[i].key != "" && name == "no-"+table[i].name {
			return &table[i], true
		}
	}
	return nil, false
}

// A wish is what the flags of run say besides what a profile could say.
type wish struct {
	profiles                             []string
	layer                                *profiles.Flags
	dryRun, json, quiet, verbose, helped bool
}

// wishOf sorts settings into a layer and the rest.
func wishOf(settings []setting, home, cwd string) (wish, error) {
	w := wish{layer: profiles.NewFlags(home, cwd)}
	var errs profiles.Errors
	for _, s := range settings {
		switch s.flag.name {
		case "profile":
			w.profiles = append(w.profiles, s.value)
		case "box":
			w.layer.Spec.Box = s.value
		case "rm":
			w.layer.Spec.Drop = true
		case "dry-run":
			w.dryRun = true
		case "json":
			w.json = true
		case "quiet":
			w.quiet = true
		case "verbose":
			w.verbose = true
		case "help":
			w.helped = true
		default:
			if err := w.layer.Add(s.flag.key, s.value, s.text); err != nil {
				if e, ok := err.(profiles.Errors); ok {
					errs = append(errs, e...)
					continue
				}
				return w, err
			}
		}
	}
	if len(errs) > 0 {
		return w, errs
	}
	return w, nil
}
