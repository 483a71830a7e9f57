package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"cove/sandbox"
)

// Two errors of one reason have one hint.
func TestHintOnce(t *testing.T) {
	var b bytes.Buffer
	u := &ui{err: &b}
	full := func(name string) error { return fmt.Errorf("cannot write %s: %w", name, syscall.ENOSPC) }
	if status := u.failure(errors.Join(full("plan.json"), full("box.json")), exitFailed); status != exitFailed {
		t.Errorf("status %d", status)
	}
	if errs, hints := strings.Count(b.String(), "error: "), strings.Count(b.String(), "hint: "); errs != 2 || hints != 1 {
		t.Errorf("%d errors, %d hints:\n%s", errs, hints, &b)
	}
}

func TestChanged(t *testing.T) {
	for _, test := range []struct {
		report sandbox.Report
		want   string
	}{
		{sandbox.Report{Changes: 1}, "cove: 1 path changed in your home; see it with: cove diff b\n"},
		{sandbox.Report{Changes: 2}, "cove: 2 paths changed in your home; see them with: cove diff b\n"},
		{sandbox.Report{RootChanges: 1}, "cove: 1 path changed in the root; see it with: cove diff b\n"},
		{sandbox.Report{Changes: 1, RootChanges: 3}, "cove: 1 path changed in your home, 3 paths changed in the root; see them with: cove diff b\n"},
		{sandbox.Report{}, ""},
		{sandbox.Report{Changes: 3, Dropped: true}, ""},
	} {
		var b bytes.Buffer
		test.report.Box = "b"
		(&ui{err: &b, errTTY: true}).changed(&test.report)
		if b.String() != test.want {
			t.Errorf("%+v: %q", test.report, &b)
		}
	}
}
