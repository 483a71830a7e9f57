package launch

import (
	"os"
	"testing"

	"cove/internal/stage"
	"cove/profiles"
	"cove/sandbox"
)

// What happens before the stage is forked, with the default profile and the files of this machine.
func BenchmarkPlan(b *testing.B) {
	home := b.TempDir()
	b.Setenv("HOME", home)
	dirs, err := FindDirs(os.Getenv, home)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		layers, _, err := profiles.Load(profiles.Dirs{Config: dirs.Config, Home: home, Cwd: home}, nil)
		if err != nil {
			b.Fatal(err)
		}
		spec, err := profiles.Merge(layers...)
		if err != nil {
			b.Fatal(err)
		}
		spec.Command, spec.Box = []string{"true"}, "b"
		spec.Home = sandbox.Set(sandbox.HomeTmpfs, sandbox.Origin{})
		host, err := Probe(dirs, spec)
		if err != nil {
			b.Fatal(err)
		}
		plan, err := sandbox.Compile(spec, host)
		if err != nil {
			b.Fatal(err)
		}
		script, err := stage.New(0)
		if err == nil {
			err = lay(&Stage{script: script}, plan, host)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
