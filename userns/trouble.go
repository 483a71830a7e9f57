package userns

import (
	"fmt"
	"strings"
)

// trouble is what can keep newuidmap or newgidmap from writing a map.
type trouble struct {
	path       string // of the helper
	plain      bool   // it is neither setuid root nor has file capabilities
	nosuid     bool   // its file system ignores both
	noNewPrivs bool   // so do we, and all we start
	nested     bool   // we are in a user namespace already
	root       bool   // we are root
	appArmor   bool   // user namespaces are restricted to programs with a profile
}

// hint is what to try when the helper failed with the words said; "" where nothing is known.
func (t trouble) hint(name, said string) string {
	file := "/etc/subuid"
	if name == "newgidmap" {
		file = "/etc/subgid"
	}
	for _, h := range []struct {
		when bool
		hint string
	}{
		{strings.Contains(said, "not allowed"),
			name + " looks itself: the whole range must be yours in " + file + ", or in the source that /etc/nsswitch.conf names after subid:"},
		{strings.Contains(said, "determine your user"), // "Cannot determine your user name"
			name + " serves only users with an entry in the passwd database; use --ids single"},
		{strings.Contains(said, "owned by a different user") && otherGroup(said),
			name + " serves only whose group is the one in the passwd database: leave newgrp or sg, or use --ids single"},
		{strings.Contains(said, "owned by a different user"),
			"the process is not dumpable, or not yours: this is a bug in cove"},
		{!strings.Contains(said, "not permitted") && !strings.Contains(said, "Could not set caps") && !strings.Contains(said, "denied"), ""},
		{t.noNewPrivs, "cove was started under no_new_privs (by a sandbox, a container, or NoNewPrivileges= of systemd), so setuid programs have no rights; use --ids single"},
		{t.nosuid, "the file system that holds " + t.path + " is mounted nosuid"},
		{t.plain && !t.root, t.path + " is not setuid root; an administrator can mend that: sudo chown root: " + t.path + " && sudo chmod u+s " + t.path},
		{t.nested, "cove runs in a user namespace already (a container?), which must itself hold the ids in " + file + "; see /proc/self/uid_map"},
		{t.root, name + " before version 4.9 cannot map root on Linux 5.12 and later: update it, or use --ids single"},
		{t.appArmor, "AppArmor restricts user namespaces here to programs with a profile (kernel.apparmor_restrict_unprivileged_userns); give cove one"},
	} {
		if h.when {
			return h.hint
		}
	}
	return ""
}

// otherGroup tells whether "owned by a different user: uid:0 pw_uid:0 st_uid:0, gid:5 pw_gid:0 st_gid:5" means the
// caller's group.
func otherGroup(said string) bool {
	var gid, entry int
	_, after, _ := strings.Cut(said, ", gid:")
	n, _ := fmt.Sscanf(after, "%d pw_gid:%d", &gid, &entry)
	return n == 2 && gid != entry
}
