package userns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// What cannot be done in the test's own process, this binary does in a child, with taskEnv set. A task says what came
// out on stdout.
const taskEnv = "COVE_TEST_USERNS"

var tasks = map[string]func() error{
	"current": taskCurrent,
	"secure":  taskSecure,
	"install": taskInstall,
	"limits":  taskLimits,
}

func TestMain(m *testing.M) {
	task := os.Getenv(taskEnv)
	if task == "" {
		os.Exit(m.Run())
	}
	do, ok := tasks[task]
	if !ok {
		do = func() error { return errors.New("no such task") }
	}
	if err := do(); err != nil {
		fmt.Fprintf(os.Stderr, "task %s: %v\n", task, err)
		os.Exit(99)
	}
	os.Exit(0)
}

// task is a command that does a task, with what it prints to stderr on the test's.
func task(name string, env ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), append(env, taskEnv+"="+name)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// need ends a test that the machine cannot run: with a skip that says why, or where COVE_REQUIRE has its name or is
// all, with a failure. A test that was skipped in silence has tested nothing.
func need(t testing.TB, name string, missing error) {
	t.Helper()
	if missing == nil {
		return
	}
	if r := strings.Split(os.Getenv("COVE_REQUIRE"), ","); slices.Contains(r, name) || slices.Contains(r, "all") {
		t.Fatalf("this test needs %s, which COVE_REQUIRE says is here: %v", name, missing)
	}
	t.Skipf("this test needs %s: %v", name, missing)
}

// me needs subids, and returns who has them.
func me(t testing.TB) (User, Ranges) {
	t.Helper()
	u, err := CurrentUser(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	for _, helper := range []string{"newuidmap", "newgidmap"} {
		_, err := exec.LookPath(helper)
		need(t, "subids", err)
	}
	subs, err := ReadRanges(u)
	if err != nil {
		t.Fatal(err)
	}
	if len(subs.UIDs) == 0 || len(subs.GIDs) == 0 {
		need(t, "subids", fmt.Errorf("/etc/subuid and /etc/subgid have uids %v and gids %v for %s", subs.UIDs, subs.GIDs, u.Name))
	}
	return u, subs
}

// inUserns starts cmd in a user namespace without maps.
func inUserns(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EUSERS) {
		need(t, "userns", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// programs puts shell scripts into a directory of their own, which becomes the whole PATH.
func programs(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}
