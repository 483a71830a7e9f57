// Package testenv is for tests: what they need of the machine, and children of theirs that do what a test's own process
// cannot, as to become somebody else.
//
//	testenv.Need(t, "userns", err)              // skips with a reason, or fails where COVE_REQUIRE says so
//	testenv.Main(m, map[string]testenv.Do{…})   // in TestMain
//	testenv.Task("hold", "an argument").Run()
package testenv

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Required tells whether COVE_REQUIRE names the need, or is all: then a machine without it fails the tests.
func Required(name string) bool {
	r := strings.Split(os.Getenv("COVE_REQUIRE"), ",")
	return slices.Contains(r, name) || slices.Contains(r, "all")
}

// Need ends a test that the machine cannot run, as missing is not nil: with a skip that says why, or where the need is
// Required, with a failure. A test that was skipped in silence has tested nothing.
func Need(t testing.TB, name string, missing error) {
	t.Helper()
	switch {
	case missing == nil:
	case Required(name):
		t.Fatalf("this test needs %s, which is missing here, and COVE_REQUIRE says that it must not be: %v", name, missing)
	default:
		t.Skipf("needs %s, which is missing here: %v", name, missing)
	}
}

// NeedProgram is Need of a program in PATH, and tells where it is.
func NeedProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	Need(t, name, err)
	return path
}
