package main

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"cove/internal/seccomp"
)

const program = "/bin/true"

// start compares how long it takes until a sandbox has run a program that does nothing.
func start(b *bench) error {
	filter := filepath.Join(b.dir, "filter.bpf")
	if err := writeFilter(filter); err != nil {
		return err
	}
	empty := task{who: b.who, argv: []string{b.cove, "run", "-q", "--home", "tmpfs", "--", program}}
	cow := task{who: b.who, argv: []string{b.cove, "run", "-q", "--", program}}
	const coveEmpty, coveCow = "cove run --home tmpfs", "cove run, the overlay mounted, a box made and removed"
	type pair struct {
		name, cove, peer string
		a                task
		b                func() (task, string)
	}
	bwrap := func(who *person) func() (task, string) {
		return func() (task, string) {
			path, err := exec.LookPath("bwrap")
			if err != nil {
				return task{}, "not installed: apt-get install bubblewrap"
			}
			return task{who: who, argv: append(sameTree(path, who), program), stdin: filter}, ""
		}
	}
	pairs := []pair{
		{"start/bwrap", coveEmpty, "bwrap, the same tree and filter", empty, bwrap(b.who)},
		{"start/bwrap-cow", coveCow, "bwrap, the same with an empty home", cow, bwrap(b.who)},
		{"start/nothing", coveEmpty, program + " without a sandbox", empty, func() (task, string) {
			return task{who: b.who, argv: []string{program}}, ""
		}},
		{"start/firejail", coveEmpty, "firejail --private --net=none, its default profile", empty, b.firejail},
		{"start/runc", coveEmpty, "runc run, the same tree, no filter", empty, func() (task, string) { return b.runtime("runc") }},
		{"start/crun", coveEmpty, "crun run, the same tree, no filter", empty, func() (task, string) { return b.runtime("crun") }},
		{"start/podman", coveEmpty, "podman run --rm --network none, an image of busybox alone", empty, b.podman},
	}
	if b.root != nil {
		t := task{who: b.root, argv: empty.argv}
		pairs = append(pairs, pair{"start/bwrap-root", "by root: " + coveEmpty + ", hiding root's secrets, too", "bwrap, hiding nothing", t, bwrap(b.root)})
	}
	for _, p := range pairs {
		if !b.wants(p.name) {
			continue
		}
		peer, why := p.b()
		if why == "" {
			if _, err := peer.time(); err != nil {
				why = "does not run here: " + err.Error()
			}
		}
		if why != "" {
			b.leaveOut(p.name, p.cove, p.peer, why)
			continue
		}
		took, err := b.turns(150, 3, p.a.time, peer.time)
		if err != nil {
			return err
		}
		b.compare(p.name, "ms", p.cove, p.peer, took[0], took[1])
	}
	b.endPodman()
	return nil
}

// sameTree is bubblewrap building what cove's default profile builds, with the same seccomp filter. Of itself it
// protects less of /proc.
func sameTree(bwrap string, who *person) []string {
	args := []string{bwrap, "--unshare-all", "--die-with-parent", "--hostname", "cove", "--seccomp", "3"}
	for _, d := range systemDirs() {
		if d.link != "" {
			args = append(args, "--symlink", d.link, d.path)
		} else {
			args = append(args, "--ro-bind", d.path, d.path)
		}
	}
	return append(args, "--proc", "/proc", "--dev", "/dev", "--mqueue", "/dev/mqueue", "--tmpfs", "/tmp", "--tmpfs", "/run",
		"--tmpfs", "/var/tmp", "--tmpfs", who.home, "--tmpfs", "/run/user/"+strconv.Itoa(who.uid), "--chdir", who.home, "--")
}

// A systemDir is what cove's default profile lets in of the system; link is its text where it is a symbolic link.
type systemDir struct{ path, link string }

func systemDirs() []systemDir {
	var dirs []systemDir
	for _, d := range strings.Fields("/usr /bin /sbin /lib /lib32 /lib64 /libx32 /etc /opt /var") {
		if text, err := os.Readlink(d); err == nil {
			dirs = append(dirs, systemDir{d, text})
		} else if _, err := os.Stat(d); err == nil {
			dirs = append(dirs, systemDir{path: d})
		}
	}
	return dirs
}

func writeFilter(path string) error {
	prog, err := seccomp.Policy{}.Compile(runtime.GOARCH)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := binary.Write(f, binary.NativeEndian, prog); err != nil {
		return err
	}
	return f.Close()
}
