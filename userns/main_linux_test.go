package userns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"cove/internal/testenv"
)

// What cannot be done in the test's own process, a child does. A task says what came out on stdout.
var tasks = map[string]testenv.Do{
	"current": taskCurrent,
	"secure":  taskSecure,
	"install": taskInstall,
	"limits":  taskLimits,
}

func TestMain(m *testing.M) { testenv.Main(m, tasks) }

// me needs subids, and returns who has them.
func me(t testing.TB) (User, Ranges) {
	t.Helper()
	u, err := CurrentUser(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	for _, helper := range []string{"newuidmap", "newgidmap"} {
		_, err := exec.LookPath(helper)
		testenv.Need(t, "subids", err)
	}
	subs, err := ReadRanges(u)
	if err != nil {
		t.Fatal(err)
	}
	if len(subs.UIDs) == 0 || len(subs.GIDs) == 0 {
		testenv.Need(t, "subids", fmt.Errorf("/etc/subuid and /etc/subgid have uids %v and gids %v for %s", subs.UIDs, subs.GIDs, u.Name))
	}
	return u, subs
}

// inUserns starts cmd in a user namespace without maps.
func inUserns(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EUSERS) {
		testenv.Need(t, "userns", err)
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
