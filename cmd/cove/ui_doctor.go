package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"cove/internal/escape"
	"cove/internal/spell"
	"cove/sandbox"
	"cove/sandbox/launch"
)

// What cove doctor says of each check comes from package sandbox, as a plan's reasons do. How it is laid out, and when
// other commands send for the doctor, stands here.

// findings answers with a line for each, and what mends them. With -q, what is ok is left out.
func (u *ui) findings(findings []sandbox.Finding) error {
	width := 0
	for _, f := range findings {
		width = max(width, len(f.Name))
	}
	var b strings.Builder
	for _, f := range findings {
		if u.quiet && f.Status == sandbox.StatusOK {
			continue
		}
		hue := green
		switch f.Status {
		case sandbox.StatusLess:
			hue = yellow
		case sandbox.StatusMissing:
			hue = red
		}
		words := []string{f.Found}
		if f.Without != "" {
			words = append(words, f.Without)
		}
		if f.Because != "" {
			words = append(words, "see "+f.Because)
		}
		text := strings.ReplaceAll(strings.Join(words, "; "), "\n", `\n`) // of a name in an error
		fmt.Fprintf(&b, "%s%s  %-*s  %s\n", paint(u.outHue, hue, string(f.Status)), strings.Repeat(" ", len(sandbox.StatusMissing)-len(f.Status)),
			width, f.Name, escape.Text(text))
	}
	if mend := remedies(findings); mend != "" && !u.quiet {
		fmt.Fprintf(&b, "\n%s\n%s", paint(u.outHue, bold, "What mends it, for a shell (cove doctor --script prints only this):"), "\n"+mend)
	}
	return u.print(b.String())
}

// remedies are all fixes for a shell, each under the name of what it mends.
func remedies(findings []sandbox.Finding) string {
	var parts []string
	for _, f := range findings {
		if f.Fix != nil {
			parts = append(parts, "# "+f.Name+"\n"+f.Fix.Script())
		}
	}
	return strings.Join(parts, "\n")
}

func noSuchCheck(name string, known []string) error {
	if w := spell.Nearest(name, known); w != "" {
		return hintedf("did you mean "+w+"?", "there is no check %q", name)
	}
	return hintedf("the checks are "+strings.Join(known, ", "), "there is no check %q", name)
}

func jsonOrScript() error {
	return hintedf("leave out one of them", "cannot print both JSON and a script")
}

func profileBroken(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return "the profile default cannot be used: " + first
}

// sendForDoctor is the hint of errors whose cause cove doctor looks for.
const sendForDoctor = "cove doctor tries what sandboxes need here, and says what mends what is missing"

// forDoctor tells whether this machine cannot, rather than the wish or a path being wrong.
func forDoctor(err error) bool {
	var clone *launch.CloneError
	var lack *sandbox.LackError
	var step *launch.StepError
	switch {
	case errors.As(err, &clone), errors.As(err, &lack):
		return true
	case errors.As(err, &step):
		switch step.Errno {
		case syscall.EPERM, syscall.ENODEV, syscall.ENOSYS, syscall.EOPNOTSUPP:
			return true
		case syscall.EACCES:
			return step.Op == nil // of a mount it is a path's
		}
	}
	return false
}
