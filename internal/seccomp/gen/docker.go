package main

import (
	"fmt"
	"slices"
	"strings"

	docker "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// DockerRules are the rules of Docker's default profile that hold for a container without capabilities on arch.
// The profile's own GetDefaultProfile answers for the machine that it runs on only. Rules with a MinKernel are
// in: the newest that the profile asks for is 4.8, and cove needs more.
func DockerRules(arch string) []specs.LinuxSyscall {
	var rules []specs.LinuxSyscall
	for _, r := range docker.DefaultProfile().Syscalls {
		if f := r.Includes; f != nil {
			if len(f.Caps) > 0 || len(f.Arches) > 0 && !slices.Contains(f.Arches, arch) {
				continue
			}
		}
		if f := r.Excludes; f != nil && slices.Contains(f.Arches, arch) {
			continue
		}
		rules = append(rules, r.LinuxSyscall)
	}
	return rules
}

// Rules prints DockerRules for another program to read, one a line: an action (an errno, or "allow"), a system
// call, and the comparison of one argument if there is one (index, operator, value, second value).
func Rules(arch string) (string, error) {
	var b strings.Builder
	for _, r := range DockerRules(arch) {
		action := "allow"
		switch {
		case r.Action == specs.ActErrno && r.ErrnoRet != nil:
			action = fmt.Sprint(*r.ErrnoRet)
		case r.Action != specs.ActAllow:
			return "", fmt.Errorf("cannot print the rule for %v: its action is %s", r.Names, r.Action)
		}
		for _, name := range r.Names {
			fmt.Fprintf(&b, "%s %s", action, name)
			if len(r.Args) > 1 {
				return "", fmt.Errorf("cannot print the rule for %s: it compares %d arguments", name, len(r.Args))
			}
			for _, a := range r.Args {
				fmt.Fprintf(&b, " %d %s %#x %#x", a.Index, strings.TrimPrefix(string(a.Op), "SCMP_CMP_"), a.Value, a.ValueTwo)
			}
			b.WriteByte('\n')
		}
	}
	return b.String(), nil
}
