package early_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"cove/internal/sys/early"
)

// A child with a lower limit must see that, and not what Go made of it.
func TestNoFile(t *testing.T) {
	if os.Getenv("EARLY_TEST_CHILD") != "" {
		if early.NoFile.Cur != 123 || early.NoFile.Max < 123 {
			t.Errorf("RLIMIT_NOFILE is taken for %+v", early.NoFile)
		}
		return
	}
	cmd := exec.Command("sh", "-c", `ulimit -Sn 123 && exec "$0" -test.run=TestNoFile -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "EARLY_TEST_CHILD=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}
