package profiles

import (
	"os"
	"slices"
	"strings"
	"testing"

	"cove/internal/roff"
)

// manFile is written by go generate, from the same table as docs/profiles.md.
const manFile = "../docs/man/cove-profile.5"

func TestManual(t *testing.T) {
	want := manualPage()
	if *update {
		if err := os.WriteFile(manFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(manFile); err != nil || string(have) != want {
		t.Errorf("docs/man/cove-profile.5 is not what the schema says (%v): run go generate ./...", err)
	}
}

// manualDate is that of the last change of what the page says by itself.
const manualDate = "2026-11-24"

func manualPage() string {
	p := roff.New("cove-profile", 5, manualDate, "cove", "cove manual")
	p.Name("cove-profile", "what a program in a sandbox sees and may do, in TOML")
	p.Section("DESCRIPTION")
	head := strings.TrimPrefix(docHead, "# Profiles\n\n")
	head, _, _ = strings.Cut(head, "This page is made from")
	head = strings.ReplaceAll(head, "as the last column of\neach table says", "as is said of each key")
	for i, part := range strings.Split(head, "```") {
		if code, ok := strings.CutPrefix(part, "toml\n"); ok && i%2 == 1 {
			p.Lines(strings.Split(strings.TrimSuffix(code, "\n"), "\n")...)
			continue
		}
		for _, paragraph := range strings.Split(strings.TrimSpace(part), "\n\n") {
			p.Paragraph(paragraph)
		}
	}
	p.Section("KEYS")
	p.Line("What a project's `.cove.toml` may do with each is said last.")
	for _, table := range tables {
		title := "At the top"
		if table.name != "" {
			title = "[" + table.name + "]"
		}
		p.Subsection(title)
		p.Line(table.doc)
		for i := range schema {
			k := &schema[i]
			at, leaf := k.in()
			if at != table.name {
				continue
			}
			value := k.kind.says
			if len(k.words) > 0 {
				value = "`" + strings.Join(k.words, "`, `") + "`"
			}
			if k.def != "" {
				value += "; without it `" + k.def + "`"
			}
			p.Tagged(leaf, k.doc)
			p.More("Value: " + value + ".")
			p.More("A project's file: " + string(k.project) + ".")
		}
	}
	p.Section("PATH SETS")
	p.Line("These are built in:")
	for _, s := range builtinSets {
		p.Tagged("@"+s.name, s.doc)
		p.More("`" + strings.Join(slices.Clone(s.members), "`, `") + "`")
	}
	p.Section("BUILT-IN PROFILES")
	for _, l := range builtins {
		p.Tagged(strings.TrimPrefix(l.Name, builtinPrefix), l.Description)
	}
	p.Paragraph("`cove profile show --text NAME` prints each as it is written.")
	p.Section("FILES")
	p.Tagged("~/.config/cove/profiles/NAME.toml", "Your profiles. `XDG_CONFIG_HOME` moves the first two directories.")
	p.Tagged(".cove.toml", "A project's own.")
	p.Section("SEE ALSO")
	p.Line("`cove`(1), `cove-profile`(1), `cove-run`(1)")
	return p.String()
}
