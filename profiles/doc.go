// Package profiles reads what users wish for: TOML files, built-in profiles and flags become layers, and layers
// become one sandbox.Spec in which every value says where it came from.
//
//	layers, notes, err := profiles.Load(dirs, []string{"build"})
//	flags := profiles.NewFlags(home, cwd)
//	err = flags.Add("files.rw", "./out", "flag --rw")
//	spec, err := profiles.Merge(append(layers, flags)...)
//
// One table, schema, holds every key with its type, default and meaning. Parse, Tighten, Show, the JSON Schema and
// docs/profiles.md all read it, so a new key is a new line there.
//
// Limits: paths are compared as text. "~/x" and a link to it are two paths here; Compile, which knows the file
// system, resolves them and lets a mask win. A syntax error hides the errors behind it, since nothing can be said
// of the rest of such a file.
package profiles
