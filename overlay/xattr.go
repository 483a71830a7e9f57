package overlay

import "strings"

const attrCaps = "security.capability"

// counts tells whether an extended attribute counts in a comparison: one that a program may set without
// privileges, in its home. All others are the file system's, or the administrator's, and need not survive being
// copied up: security.selinux, security.ima, trusted.*, system.nfs4_acl.
//
// Nor do the marks of the overlay itself count, or what a program wrote under such a name (which the kernel keeps as
// user.overlay.overlay.*): these are never brought into a home, where they would be marks.
func counts(name string) bool {
	if strings.HasPrefix(name, "user.") {
		return !strings.HasPrefix(name, "user.overlay.") && !strings.HasPrefix(name, "user.fuseoverlayfs.")
	}
	return name == "system.posix_acl_access" || name == "system.posix_acl_default" || name == attrCaps
}
