package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// find looks for a peer where root's programs are, too.
func find(name string) (path, why string) {
	for _, p := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path, ""
		}
	}
	return "", "not installed: apt-get install " + name
}

// firejail is setuid, so the home that it makes private is the one of the user's entry in /etc/passwd.
func (b *bench) firejail() (task, string) {
	path, why := find("firejail")
	return task{who: b.who, argv: []string{path, "--quiet", "--private", "--net=none", program}}, why
}

// runtime is an OCI runtime building what cove's default profile builds.
func (b *bench) runtime(name string) (task, string) {
	path, why := find(name)
	if why != "" {
		return task{}, why
	}
	bundle := filepath.Join(b.who.home, "bundle-"+name)
	if err := b.bundle(bundle, path); err != nil {
		return task{}, "does not run here: " + err.Error()
	}
	// They want unique names, which a shell has at hand: its process id.
	state := filepath.Join(b.who.home, "state-"+name)
	script := fmt.Sprintf(`exec %q --root %q run --bundle %q "bench-$$"`, path, state, bundle)
	return task{who: b.who, argv: []string{"/bin/sh", "-c", script}}, ""
}

// bundle makes the directory that describes the sandbox to an OCI runtime.
func (b *bench) bundle(dir, path string) error {
	script := `mkdir -p "$0/rootfs" && cd "$0" && exec "$@"`
	argv := []string{"/bin/sh", "-c", script, dir, path, "spec"}
	if b.who.uid != 0 {
		argv = append(argv, "--rootless")
	}
	if _, err := (task{who: b.who, argv: argv}).time(); err != nil {
		return err
	}
	file := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	process, _ := config["process"].(map[string]any)
	linux, _ := config["linux"].(map[string]any)
	if process == nil || linux == nil {
		return fmt.Errorf("%s spec made a config.json that is not understood", path)
	}
	process["terminal"], process["args"] = false, []string{program}
	process["cwd"] = b.who.home
	delete(process, "capabilities")
	namespaces := []any{}
	for _, ns := range []string{"user", "pid", "network", "ipc", "uts", "mount"} {
		if ns != "user" || b.who.uid != 0 {
			namespaces = append(namespaces, map[string]string{"type": ns})
		}
	}
	linux["namespaces"] = namespaces
	mounts := []any{}
	mount := func(dst, kind, src string, options ...string) {
		mounts = append(mounts, map[string]any{"destination": dst, "type": kind, "source": src, "options": options})
	}
	rootfs := filepath.Join(dir, "rootfs")
	for _, d := range systemDirs() {
		if d.link == "" {
			mount(d.path, "none", d.path, "rbind", "ro", "nosuid", "nodev")
		} else if err := os.Symlink(d.link, filepath.Join(rootfs, d.path)); err != nil {
			return err
		}
	}
	for _, d := range []string{"/tmp", "/run", "/var/tmp", b.who.home, "/run/user/" + strconv.Itoa(b.who.uid)} {
		mount(d, "tmpfs", "tmpfs", "nosuid", "nodev")
	}
	kept, _ := config["mounts"].([]any)
	for _, m := range kept {
		if m, ok := m.(map[string]any); ok && (m["destination"] == "/proc" || m["destination"] == "/dev" ||
			m["destination"] == "/dev/pts" || m["destination"] == "/dev/shm" || m["destination"] == "/dev/mqueue") {
			mounts = append(mounts, m)
		}
	}
	config["mounts"] = mounts
	if text, err = json.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// podman runs a container of an image that is made here, of nothing but busybox. What it keeps goes into the home of
// who is measured, and XDG_RUNTIME_DIR keeps it from meeting the podman of the machine's people. That has a short
// name: where the path of conmon's socket is too long, podman waits 20 seconds for a container that has ended.
func (b *bench) podman() (task, string) {
	path, why := find("podman")
	if why != "" {
		return task{}, why
	}
	if realtime() > 0 {
		return task{}, "left out under SCHED_FIFO, where podman import (4.3.1) spins for minutes"
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return task{}, "no image to run: apt-get install busybox-static"
	}
	if err := os.Mkdir(b.runtimeDir(), 0o700); err != nil {
		return task{}, err.Error()
	}
	if err := b.who.own(b.runtimeDir()); err != nil {
		return task{}, err.Error()
	}
	run := task{who: b.who, env: []string{"XDG_RUNTIME_DIR=" + b.runtimeDir()}}
	script := `set -e
mkdir -p image/bin
cp "$1" image/bin/busybox
ln -s busybox image/bin/true
tar -cf image.tar -C image .
"$0" import -q image.tar bench:latest`
	run.argv = []string{"/bin/sh", "-c", script, path, busybox}
	if _, err := run.time(); err != nil {
		return task{}, "does not run here: " + err.Error()
	}
	// The runtime it likes best may not work where cgroups are mounted in an old-fashioned way.
	for _, runtime := range []string{"", "runc", "crun"} {
		run.argv = []string{path}
		if runtime != "" {
			run.argv = append(run.argv, "--runtime", runtime)
		}
		run.argv = append(run.argv, "run", "--rm", "--network", "none", "bench:latest", program)
		if _, err = run.time(); err == nil {
			return run, ""
		}
	}
	return task{}, "does not run here: " + err.Error()
}

func (b *bench) runtimeDir() string { return filepath.Join(b.dir, "r") }

// endPodman ends the process that podman leaves behind to hold its namespace.
func (b *bench) endPodman() {
	if _, err := os.Stat(b.runtimeDir()); err != nil {
		return
	}
	t := task{who: b.who, argv: []string{"podman", "system", "migrate"}, env: []string{"XDG_RUNTIME_DIR=" + b.runtimeDir()}}
	if _, err := t.time(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: podman may have left a process behind:", err)
	}
}
