package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path"
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
	hint := ""
	f := host.Files(found)
	switch {
	case f.Kind == sandbox.Directory:
		hint = isDirectory
	case failed.Errno == syscall.ENOEXEC:
		hint = noFormat
	case failed.Errno == syscall.EACCES && f.Mode&0o111 == 0:
		hint = notExecutable
	case failed.NotFound():
		hint = whyNotFound(found, f, spec, host)
	}
	if hint == "" {
		return err
	}
	return &hinted{err, []string{hint}}
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

func whyNotFound(program string, f sandbox.File, spec sandbox.Spec, host sandbox.Host) string {
	spec.Box = newBox
	plan, err := sandbox.Compile(spec, host)
	if err != nil {
		return ""
	}
	if !seen(plan, f.Real) {
		return notVisible(program, path.Dir(f.Real))
	}
	interpreter := shebang(f.Real)
	switch {
	case interpreter == "":
		return noLoader(program)
	case !seen(plan, host.Files(interpreter).Real) || host.Files(interpreter).Kind == sandbox.Missing:
		return noInterpreter(program, interpreter)
	}
	return ""
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

// shebang is the interpreter that the first line of a script names, or "".
func shebang(p string) string {
	f, err := os.OpenFile(p, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	line, _ := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if !strings.HasPrefix(line, "#!") || len(words) == 0 {
		return ""
	}
	return words[0]
}
