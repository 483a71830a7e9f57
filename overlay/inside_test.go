package overlay

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"cove/internal/testenv"
)

const inside = "COVE_TEST_INSIDE"

// inUserns runs the rest of the calling test in a child: in a user namespace in which the caller is uid, and a mount
// namespace. There it returns true; in the parent it returns false when the child is done, and its output was kept.
func inUserns(t *testing.T, uid int) bool {
	t.Helper()
	if os.Getenv(inside) == t.Name() {
		return true
	}
	args := []string{"-test.run=^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$", "-test.v", "-test.timeout=30s"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	child := func(args ...string) *exec.Cmd {
		cmd := exec.Command("/proc/self/exe", args...)
		cmd.Env = append(os.Environ(), inside+"="+t.Name())
		var caps []uintptr // a user that is not 0 loses them at the execve otherwise
		for c := uintptr(0); c <= 37; c++ {
			caps = append(caps, c)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: os.Getgid(), Size: 1}},
			AmbientCaps: caps,
		}
		return cmd
	}
	testenv.Need(t, "user namespaces", child("-test.run=^$").Run())
	out, err := child(args...).CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("inside: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("inside:\n%s", out)
	}
	t.Logf("inside:\n%s", out)
	return false
}
