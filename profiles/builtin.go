package profiles

import "embed"

//go:embed builtin/*.toml
var builtinFiles embed.FS

// The built-in profiles are kept parsed, so that a start does not pay for it: builtin_gen.go is what Parse makes of
// builtin/*.toml, and a test compares the two.
//
//go:generate go test -run ^(TestGenerated|TestDoc|TestManual)$ . -update

func builtinNamed(name string) *Layer {
	for _, l := range builtins {
		if l.Name == builtinPrefix+name {
			return l
		}
	}
	return nil
}

const builtinPrefix = "profile "

// builtinText is a built-in profile as it is written.
func builtinText(name string) []byte {
	text, err := builtinFiles.ReadFile("builtin/" + name + ".toml")
	if err != nil {
		return nil
	}
	return text
}
