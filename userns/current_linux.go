package userns

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// CurrentUser is who runs cove. Name, home and shell come from /etc/passwd, else from getent(1), which knows
// directory services, else from env; package os/user would need cgo for the second. That its rights are the caller's,
// nobody else's, is for RefuseSetuid to see to, before anything else.
func CurrentUser(env func(string) string) (User, error) {
	return lookUp(User{UID: unix.Getuid(), GID: unix.Getgid()}, "/etc/passwd", env)
}

func lookUp(u User, passwd string, env func(string) string) (User, error) {
	groups, err := unix.Getgroups()
	if err != nil {
		return User{}, fmt.Errorf("cannot read your groups: %w", err)
	}
	for _, g := range groups {
		if g != u.GID && !slices.Contains(u.Groups, g) {
			u.Groups = append(u.Groups, g)
		}
	}
	// A passwd file that is not there or cannot be read knows nobody.
	text, _ := os.ReadFile(passwd)
	entry, ok := passwdEntry(string(text), u.UID)
	if !ok {
		// Nor does getent where it is missing, fails or hangs on a directory that cannot be reached.
		line, _ := output(2*time.Second, "getent", "passwd", strconv.Itoa(u.UID))
		entry, _ = passwdEntry(line, u.UID)
	}
	return describe(u, entry, env)
}

// atSecure is AT_SECURE of getauxval(3).
const atSecure = 23

// RefuseSetuid stops a cove that was installed setuid, setgid or with file capabilities. All that keeps a user from
// reading another's files through it is that it has no more rights than that user: firejail shows what
// checking paths as root costs (CVE-2022-31214).
func RefuseSetuid() error {
	// Where the vector cannot be read the ids still tell; file capabilities alone then go unseen.
	vector, _ := unix.Auxv()
	secure := slices.Contains(vector, [2]uintptr{atSecure, 1})
	if unix.Getuid() == unix.Geteuid() && unix.Getgid() == unix.Getegid() && !secure {
		return nil
	}
	return &Error{"cannot run with rights that the caller does not have: cove is setuid, setgid or has file capabilities",
		"never install cove setuid; make it plain again: sudo chmod ug-s FILE; sudo setcap -r FILE (a transition in a security policy can look the same)"}
}
