package userns

import (
	"strings"
	"testing"
)

func TestHint(t *testing.T) {
	const (
		denied = "newuidmap: write to uid_map failed: Operation not permitted"
		path   = "/usr/bin/newuidmap"
	)
	for _, test := range []struct {
		name string
		t    trouble
		said string
		want string // the beginning; "" is none at all
	}{
		// What newuidmap says, as it was seen with shadow 4.13.
		{"a range of another", trouble{}, "newuidmap: uid range [0-10) -> [5555-5565) not allowed",
			"newuidmap looks itself: the whole range must be yours in /etc/subuid, or"},
		{"whatever else is wrong", trouble{noNewPrivs: true, nosuid: true, plain: true}, "newuidmap: uid range [0-10) -> [5555-5565) not allowed",
			"newuidmap looks itself"},
		{"not in passwd", trouble{root: true}, "newuidmap: Cannot determine your user name.",
			"newuidmap serves only users with an entry in the passwd database"},
		{"under newgrp", trouble{}, "newuidmap: Target process 7 is owned by a different user: uid:1001 pw_uid:1001 st_uid:1001, gid:5 pw_gid:1001 st_gid:5",
			"newuidmap serves only whose group is the one in the passwd database"},
		{"of another user", trouble{}, "newuidmap: Target process 7 is owned by a different user: uid:1001 pw_uid:1001 st_uid:0, gid:1001 pw_gid:1001 st_gid:0",
			"the process is not dumpable, or not yours: this is a bug in cove"},
		{"of another user, in other words", trouble{}, "newuidmap: Target 7 is owned by a different user",
			"the process is not dumpable, or not yours: this is a bug in cove"},
		{"no such process", trouble{noNewPrivs: true, nosuid: true, plain: true}, "newuidmap: Could not open proc directory for target 99999999", ""},
		{"nothing", trouble{noNewPrivs: true, plain: true, appArmor: true}, "exit status 1", ""},
		// Where it was not permitted, the first that is known to forbid it counts.
		{"unknown", trouble{}, denied, ""},
		{"no_new_privs", trouble{noNewPrivs: true, nosuid: true, plain: true, nested: true, appArmor: true}, denied, "cove was started under no_new_privs"},
		{"nosuid", trouble{path: path, nosuid: true, plain: true, nested: true}, denied, "the file system that holds /usr/bin/newuidmap is mounted nosuid"},
		{"plain", trouble{path: path, plain: true, nested: true}, denied,
			"/usr/bin/newuidmap is not setuid root; an administrator can mend that: sudo chown root: /usr/bin/newuidmap && sudo chmod u+s /usr/bin/newuidmap"},
		{"plain, but we are root", trouble{path: path, plain: true, root: true}, denied, "newuidmap before version 4.9 cannot map root"},
		{"nested", trouble{path: path, nested: true, root: true, appArmor: true}, denied,
			"cove runs in a user namespace already (a container?), which must itself hold the ids in /etc/subuid;"},
		{"root", trouble{root: true, appArmor: true}, denied, "newuidmap before version 4.9"},
		{"AppArmor", trouble{appArmor: true}, denied, "AppArmor restricts user namespaces here"},
		{"AppArmor, in other words", trouble{appArmor: true}, "newuidmap: Could not set caps", "AppArmor restricts user namespaces here"},
		{"not executable", trouble{appArmor: true}, `fork/exec /usr/bin/newuidmap: permission denied`, "AppArmor restricts user namespaces here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.t.hint("newuidmap", test.said)
			if !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
				t.Errorf("%q, not %q", got, test.want)
			}
			// The other helper speaks of the other file.
			other := test.t.hint("newgidmap", strings.ReplaceAll(test.said, "newuidmap", "newgidmap"))
			if (other == "") != (got == "") || strings.Contains(other, "/etc/subuid") || strings.Contains(got, "/etc/subgid") ||
				strings.Contains(got, "/etc/subuid") != strings.Contains(other, "/etc/subgid") {
				t.Errorf("of newgidmap: %q", other)
			}
		})
	}
}
