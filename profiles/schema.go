package profiles

import "cove/sandbox"

// A key is one line of the schema.
type key struct {
	name string // "home.mode"
	kind *kind

	words []string                 // with kind word: from the tightest to the widest
	check func(text string) string // with kinds text and path: what is wrong, or ""
	match string                   // with check: a regular expression that says the same to editors
	def   string                   // what holds where nobody says anything; "" where that is nothing
	doc   string

	// project says what a directory's .cove.toml may do with the key.
	project rule

	text func(*sandbox.Spec) *sandbox.Setting[string] // where the value goes, with kinds word, text, path and id
	flag func(*sandbox.Spec) *sandbox.Setting[bool]   // with kind boolean
}

// A rule says what a .cove.toml may do. Whoever wrote it may be whom the sandbox is for.
type rule string

const (
	free    rule = "as it likes"                   // nobody is less safe for it
	tighter rule = "only tighter"                  // a word further left, a lower number, false
	listed  rule = "only what your profiles allow" // names which are in the list already
	never   rule = "no"
)

// tables are the tables of a profile, in the order of the documentation, with their meaning.
var tables = []struct{ name, doc string }{
	{"", "What the profile is, and what it stands on."},
	{"home", "What your home directory is for the program."},
	{"files", "Paths that are let in or hidden. Without any, the program sees the system's directories read-only, and the home."},
	{"sets", "Path sets of your own, for this file: `mine = [\"~/x\", \"@history\"]`, then `hide = [\"@mine\"]`."},
	{"process", "How the program starts."},
	{"env", "Environment variables. Only what a rule passes gets in."},
	{"identity", "Who the program is inside."},
	{"network", "What the program can reach."},
	{"limits", "Resource limits of the program and of each process it starts (setrlimit(2)), and the size of /tmp."},
	{"devices", "Devices besides null, zero, full, random, urandom and tty."},
	{"seccomp", "The system call filter."},
}

// schema is every key of a profile.
var schema = []key{
	{name: "description", kind: &kindDescription, project: free, doc: "One line for `cove profile list`."},
	{name: "extends", kind: &kindProfileNames, def: `["default"]`, project: never,
		doc: "Profiles that this one stands on, read before it in this order: a built-in, one of yours, or a path (relative to this file). Without it, `default` alone, and that first of all profiles. `[]`: none, so that what the built-in `default` says does not hold; nothing is hidden then, and no variable let in."},

	{name: "home.mode", kind: &kindWord, words: []string{sandbox.HomeNone, sandbox.HomeTmpfs, sandbox.HomeCow, sandbox.HomeShare}, def: sandbox.HomeCow, project: tighter,
		doc:  "`cow`: copy-on-write, changes go to the box. `tmpfs`: empty and gone afterwards. `share`: the real one. `none`: there is none.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.Home }},
	{name: "home.overlay", kind: &kindWord, words: []string{sandbox.OverlayAuto, sandbox.OverlayKernel, sandbox.OverlayFuse}, def: sandbox.OverlayAuto, project: never,
		doc:  "Who keeps the copy: the kernel's overlayfs, or fuse-overlayfs. `auto` takes the kernel's where it works.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.Overlay }},

	{name: "files.ro", kind: &kindGrantsRO, project: never, doc: "Let in for reading: the real files."},
	{name: "files.rw", kind: &kindGrantsRW, project: never, doc: "Let in for writing: changes go through to the real files, not to the box."},
	{name: "files.hide", kind: &kindMasks, project: free, doc: "Hidden, whether it exists or not. `:` is part of the path here."},

	{name: "process.workdir", kind: &kindPathText, project: free, doc: "The directory that the program starts in. Default: yours; where that cannot be seen inside, cove says so and starts nothing.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.Workdir }},
	{name: "process.hostname", kind: &kindText, check: checkHostname, match: "^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$", def: "cove", project: free, doc: "The host name inside.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.Hostname }},
	{name: "process.tty", kind: &kindWord, words: []string{sandbox.TTYNew, sandbox.TTYAuto, sandbox.TTYKeep}, def: sandbox.TTYAuto, project: tighter,
		doc:  "`new`: a terminal of its own. `keep`: yours. `auto`: a new one where cove runs in the foreground of a terminal.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.TTY }},
	{name: "process.root", kind: &kindPathText, project: never, doc: "Another distribution's root directory, instead of the host's /usr and the rest.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.Root }},
	{name: "process.root_cow", kind: &kindBoolean, def: "false", project: tighter, doc: "That directory is copy-on-write, instead of read-only.",
		flag: func(s *sandbox.Spec) *sandbox.Setting[bool] { return &s.RootCow }},
	{name: "process.nesting", kind: &kindBoolean, def: "false", project: tighter, doc: "The program may make namespaces of its own, as browsers and Bazel do. It reaches far more of the kernel's code then.",
		flag: func(s *sandbox.Spec) *sandbox.Setting[bool] { return &s.Nesting }},

	{name: "process.landlock", kind: &kindWord, words: []string{sandbox.LandlockRequire, sandbox.LandlockAuto, sandbox.LandlockOff}, def: sandbox.LandlockAuto, project: tighter,
		doc:  "A second wall behind the mounts: what is not let in stays closed even if a mount should leak. `auto`: where the kernel has Landlock (Linux 5.19). `require`: an error where it has not. `off`: never. With nesting there is none.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.Landlock }},

	{name: "env.pass", kind: &kindEnvPass, project: listed, doc: "Variables let through: a name, or a pattern with one `*` at its beginning or end."},
	{name: "env.drop", kind: &kindEnvDrop, project: free, doc: "Variables kept out, also when a pattern in `pass` fits them, here or in a later profile. Only a later profile, or this file, that passes the exact name (or the same pattern) lets them in."},
	{name: "env.set", kind: &kindEnvSet, project: never, doc: "Variables with a value: `set = {CI = \"1\"}`."},

	{name: "identity.uid", kind: &kindUserID, def: sandbox.UIDKeep, project: never, doc: "`keep`: your own user and group id. `root`: you are 0 inside, and nobody outside. Or a number.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.UID }},
	{name: "identity.ids", kind: &kindWord, words: []string{sandbox.IDsSingle, sandbox.IDsSub}, def: sandbox.IDsSingle, project: tighter,
		doc:  "`single`: no ids but yours. `subids`: also your ranges of /etc/subuid and /etc/subgid, as package managers need.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.IDs }},

	{name: "network.mode", kind: &kindWord, words: []string{sandbox.NetNone, sandbox.NetUser, sandbox.NetHost}, def: sandbox.NetNone, project: tighter,
		doc:  "`none`: loopback only. `user`: a network of its own, in user space (not built yet). `host`: all that you can reach, services on your loopback too.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.Net }},

	{name: "network.abstract_sockets", kind: &kindBoolean, def: "false", project: tighter,
		doc:  "With `host`: the program reaches abstract Unix sockets too, as some desktops have them for X11 and D-Bus. Closing them takes Landlock of Linux 6.12; before, they are open.",
		flag: func(s *sandbox.Spec) *sandbox.Setting[bool] { return &s.AbstractSockets }},

	{name: "limits.files", kind: &kindCount, project: tighter, doc: "Open files of a process."},
	{name: "limits.file_size", kind: &kindBytes, project: tighter, doc: "The largest file that it may write."},
	{name: "limits.core", kind: &kindBytes, project: tighter, doc: "The largest core dump; 0 for none."},
	{name: "limits.stack", kind: &kindBytes, project: tighter, doc: "The main thread's stack."},
	{name: "limits.address_space", kind: &kindBytes, project: tighter, doc: "The address space of a process. Some runtimes reserve far more than they use."},
	{name: "limits.tmp_size", kind: &kindBytes, project: tighter, doc: "The size of /tmp, which is in memory."},

	{name: "devices.allow", kind: &kindDevices, project: listed, doc: "Paths below /dev, with or without it: `/dev/fuse`, `dri`."},

	{name: "seccomp.mode", kind: &kindWord, words: []string{sandbox.SeccompDefault, sandbox.SeccompNone}, def: sandbox.SeccompDefault, project: tighter,
		doc:  "`default`: what Docker allows, less what a sandbox never needs. `none`: no filter.",
		text: func(s *sandbox.Spec) *sandbox.Setting[string] { return &s.Seccomp }},
	{name: "seccomp.allow", kind: &kindCallsAllow, project: listed, doc: "System calls allowed besides."},
	{name: "seccomp.deny", kind: &kindCallsDeny, project: free, doc: "System calls refused besides."},
}

// find looks a key up.
func find(name string) *key {
	for i := range schema {
		if schema[i].name == name {
			return &schema[i]
		}
	}
	return nil
}

// Words are the words that a key can be, from the tightest to the widest; nil of a key that takes no words.
func Words(key string) []string {
	switch k := find(key); {
	case k == nil:
		return nil
	case k.kind == &kindUserID: // or a number
		return []string{sandbox.UIDKeep, sandbox.UIDRoot}
	default:
		return k.words
	}
}

// in splits a key's name into its table and the rest.
func (k *key) in() (table, leaf string) {
	for i := range k.name {
		if k.name[i] == '.' {
			return k.name[:i], k.name[i+1:]
		}
	}
	return "", k.name
}

// keysOf are the names that may stand in a table; in "" those of the tables, too.
func keysOf(table string) (names []string) {
	for i := range schema {
		if t, leaf := schema[i].in(); t == table {
			names = append(names, leaf)
		}
	}
	if table == "" {
		for _, t := range tables[1:] {
			names = append(names, t.name)
		}
	}
	return names
}

func isTable(name string) bool {
	for _, t := range tables[1:] {
		if t.name == name {
			return true
		}
	}
	return false
}
