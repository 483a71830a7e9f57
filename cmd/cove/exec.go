package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"cove/internal/mount"
	"cove/sandbox"
	"cove/sandbox/launch"
)

// aboutExec adds, to an error that says that the program could not be executed, why: as far as the host's files tell.
func (a *app) aboutExec(err error, spec sandbox.Spec, host sandbox.Host) error {
	var failed *launch.ExecError
	if !errors.As(err, &failed) {
		return err
	}
	found := onHost(failed.Path, host)
	if found == "" {
		return err
	}
	var hints []string
	f := host.Files(found)
	from, hidden := hiddenBy(f.Real, spec, host)
	switch {
	case hidden:
		hints = append(hints, isHidden(found, from))
	case f.Kind == sandbox.Directory:
		hints = append(hints, isDirectory)
	case failed.Errno == syscall.ENOEXEC:
		hints = append(hints, noFormat)
	case failed.Errno == syscall.EACCES && f.Mode&0o111 == 0:
		hints = append(hints, notExecutable)
	case failed.NotFound():
		hints = whyNotFound(failed.Path, found, spec, host)
	}
	if hints == nil {
		return err
	}
	return &hinted{err, hints}
}

// hiddenBy tells whether a path of the host is hidden, and who asked for it.
func hiddenBy(real string, spec sandbox.Spec, host sandbox.Host) (from sandbox.Origin, yes bool) {
	for _, m := range spec.Masks {
		p := m.Path
		switch {
		case p == "~" || strings.HasPrefix(p, "~/"):
			p = path.Join(host.User.Home, p[1:])
		case !path.IsAbs(p):
			p = path.Join(host.Cwd, p)
		}
		if rest, below := strings.CutPrefix(real, host.Files(p).Real); below && (rest == "" || rest[0] == '/') {
			return m.From, true
		}
	}
	return from, false
}

// onHost is where the host has the program, or "".
func onHost(name string, host sandbox.Host) string {
	candidates := []string{name}
	if !strings.Contains(name, "/") {
		candidates = nil
		for _, dir := range strings.Split(host.Env["PATH"], ":") {
			candidates = append(candidates, path.Join(dir, name))
		}
	}
	for _, p := range candidates {
		switch {
		case strings.HasPrefix(p, "/"):
		case strings.Contains(name, "/"):
			p = path.Join(host.Cwd, p)
		default:
			continue
		}
		if host.Files(p).Kind != sandbox.Missing {
			return path.Clean(p)
		}
	}
	return ""
}

// whyNotFound tells why the program that the host has at found is not found inside.
func whyNotFound(name, found string, spec sandbox.Spec, host sandbox.Host) (hints []string) {
	if spec.Copies() {
		spec.Box = newBox
	}
	plan, err := sandbox.Compile(spec, host)
	if err != nil {
		return nil
	}
	// Where it is looked for, and if that is a link, where it leads.
	dir, real := path.Dir(found), host.Files(found).Real
	for _, p := range []string{path.Join(host.Files(dir).Real, path.Base(found)), real} {
		if !seen(plan, p) {
			hints = append(hints, notVisible(found, path.Dir(p)))
			break
		}
	}
	search := ""
	for _, v := range plan.Env {
		if v.Name == "PATH" {
			search = v.Value
		}
	}
	if !strings.Contains(name, "/") && !slices.Contains(strings.Split(search, ":"), dir) {
		return append(hints, notInPath(found, dir))
	}
	if hints != nil {
		return hints
	}
	switch interpreter, elf := firstLine(real); {
	case elf:
		hints = append(hints, noLoader(found))
	case interpreter != "" && (!seen(plan, host.Files(interpreter).Real) || host.Files(interpreter).Kind == sandbox.Missing):
		hints = append(hints, noInterpreter(found, interpreter))
	}
	return hints
}

// seen tells whether a path of the host is at the same place inside.
func seen(plan *sandbox.Plan, p string) (yes bool) {
	longest := 0
	for _, op := range plan.Ops {
		rest, below := strings.CutPrefix(p, strings.TrimSuffix(op.Target, "/"))
		if !below || rest != "" && rest[0] != '/' || len(op.Target) < longest {
			continue
		}
		switch op.Do {
		case mount.BindTo:
			yes = op.Source+rest == p
		case mount.Overlay:
			yes = op.Target != "/"
		case mount.Mount:
			yes = op.Type == "fuse"
		case mount.Mask:
			yes = false
		default:
			continue
		}
		longest = len(op.Target)
	}
	return yes
}

// firstLine tells the interpreter that the first line of a script names, or "", or that it is no script but a binary.
func firstLine(p string) (interpreter string, elf bool) {
	f, err := os.OpenFile(p, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", false
	}
	defer f.Close()
	line, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if !strings.HasPrefix(line, "#!") || len(words) == 0 {
		return "", strings.HasPrefix(line, "\x7fELF")
	}
	return words[0], false
}
