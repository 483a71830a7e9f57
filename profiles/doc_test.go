package profiles

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// docFile is written by go test ./profiles -run TestDoc -update, from the same table that everything else reads.
const docFile = "../docs/profiles.md"

func TestDoc(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(docFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("docs/profiles.md is not what the schema says: run go test ./profiles -run TestDoc -update")
	}
}

func document() []byte {
	var b bytes.Buffer
	b.WriteString(docHead)
	for _, table := range tables {
		title := "At the top"
		if table.name != "" {
			title = "[" + table.name + "]"
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", title, table.doc)
		first := true
		for i := range schema {
			k := &schema[i]
			at, leaf := k.in()
			if at != table.name {
				continue
			}
			if first {
				b.WriteString("\n| key | value | meaning | a project's file may set it |\n| --- | --- | --- | --- |\n")
				first = false
			}
			value := k.kind.says
			if len(k.words) > 0 {
				words := slices.Clone(k.words)
				for j, w := range words {
					words[j] = "`" + w + "`"
				}
				value = strings.Join(words, ", ")
			}
			if k.def != "" {
				value += "; default `" + k.def + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", leaf, value, strings.ReplaceAll(k.doc, "|", `\|`), k.project)
		}
	}
	b.WriteString("\n## Built-in path sets\n\n| set | what is in it |\n| --- | --- |\n")
	for _, s := range builtinSets {
		members := slices.Clone(s.members)
		for i, m := range members {
			members[i] = "`" + m + "`"
		}
		fmt.Fprintf(&b, "| `@%s` | %s %s |\n", s.name, s.doc, strings.Join(members, ", "))
	}
	b.WriteString("\n## Built-in profiles\n")
	for _, l := range builtins {
		name := strings.TrimPrefix(l.Name, builtinPrefix)
		fmt.Fprintf(&b, "\n### %s\n\n```toml\n%s```\n", name, builtinText(name))
	}
	return b.Bytes()
}

const docHead = `# Profiles

A profile says what a program may see and do. It is a TOML file:

` + "```toml" + `
description = "Builds of the shop, with its data to read"
extends = ["build"]

[files]
ro = ["/srv/shop-data"]
rw = ["./out"]
hide = ["~/notes"]

[env]
set = {CI = "1"}
` + "```" + `

Yours lie in ` + "`~/.config/cove/profiles/NAME.toml`" + ` and are used with ` + "`cove run -p NAME`" + `; one with the name of a
built-in takes its place. ` + "`-p ./FILE.toml`" + ` uses a file. Several are merged, later ones win, and flags win over all of
them. Without ` + "`-p`" + ` there is ` + "`default`" + `, and a profile that does not say what it ` + "`extends`" + ` stands on that, too.
` + "`cove profile show`" + ` prints what they come to, each value with its origin; ` + "`cove profile check`" + ` tells all that is wrong
with one; ` + "`cove profile schema`" + ` prints a JSON Schema by which editors complete them.

A directory's ` + "`.cove.toml`" + ` is read with ` + "`-p .`" + `, or always once you have trusted it as it stands
(` + "`cove profile trust`" + `; ` + "`--list`" + ` shows what you trust and what has changed since, ` + "`cove profile untrust`" + ` takes it back).
Whoever wrote it may be whom the sandbox is for: it may only tighten, as the last column of
each table says.

Paths begin with ` + "`~/`, `/`, or `./`" + ` for the directory in which cove was started. ` + "`SRC:DST`" + ` shows a path elsewhere;
` + "`{path = …, target = …, optional = true}`" + ` is the same in full, for paths with a colon in them and for what may be missing.
Sizes are as ` + "`512M` or `1.5G`" + `, in powers of 1024.

This page is made from the table that the program reads profiles by.
`
