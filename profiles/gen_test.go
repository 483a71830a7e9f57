package profiles

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cove/sandbox"
)

var update = flag.Bool("update", false, "write what the goldens and generated files should be")

// TestGenerated holds builtin_gen.go to what Parse makes of builtin/*.toml.
func TestGenerated(t *testing.T) {
	files, err := builtinFiles.ReadDir("builtin")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString("// Code generated from builtin/*.toml by go generate; DO NOT EDIT.\n\npackage profiles\n\nimport \"cove/sandbox\"\n\nvar builtins = []*Layer{\n")
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".toml")
		l, err := Parse(builtinPrefix+name, builtinText(name))
		if err != nil {
			t.Fatal(err)
		}
		l.text = "" // Text has it
		literal(&b, reflect.ValueOf(*l), true)
		b.WriteString(",\n")
	}
	b.WriteString("}\n")
	want, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("builtin_gen.go", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile("builtin_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("builtin_gen.go is not what builtin/*.toml says: run go generate ./profiles")
	}
}

// literal writes a value as Go source, without what is zero. In a slice, the element's type is left out.
func literal(b *bytes.Buffer, v reflect.Value, short bool) {
	switch v.Kind() {
	case reflect.Struct:
		if !short {
			b.WriteString(strings.TrimPrefix(v.Type().String(), "profiles."))
		}
		b.WriteString("{")
		big := v.Type() == reflect.TypeFor[Layer]() || v.Type().Name() == "Spec"
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				continue
			}
			if big {
				b.WriteString("\n")
			}
			b.WriteString(v.Type().Field(i).Name + ": ")
			literal(b, v.Field(i), false)
			b.WriteString(",")
		}
		if big {
			b.WriteString("\n")
		}
		b.WriteString("}")
	case reflect.Slice:
		b.WriteString("[]" + strings.TrimPrefix(v.Type().Elem().String(), "profiles.") + "{\n")
		for i := range v.Len() {
			literal(b, v.Index(i), true)
			b.WriteString(",\n")
		}
		b.WriteString("}")
	default:
		fmt.Fprintf(b, "%#v", v.Interface())
	}
}

// Merge relies on it.
func TestBuiltinMasksAreThereOnce(t *testing.T) {
	for _, l := range builtins {
		seen := map[string]bool{}
		for _, m := range l.Spec.Masks {
			if seen[m.Path] {
				t.Errorf("%s hides %s twice", l.Name, m.Path)
			}
			seen[m.Path] = true
		}
	}
}

// What sandbox passes over is the sets of these names.
func TestSystemSets(t *testing.T) {
	for set, path := range map[string]string{sandbox.SystemSecrets: "/etc/shadow", sandbox.SystemSockets: "/var/lib/lxd"} {
		if paths, ok := BuiltinSet(set[1:]); !ok || !slices.Contains(paths, path) {
			t.Errorf("%s is %q", set, paths)
		}
	}
}
