package userns

import (
	"path"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
)

// passwdEntry finds uid in text, which is passwd(5). The first entry wins, as in getpwuid(3).
//
// moby/sys/user reads a uid that is no number as 0, and so takes NIS's line "+::::::" for root: only the
// entry whose third field is uid to the letter reaches it.
func passwdEntry(text string, uid int) (user.User, bool) {
	want := strconv.Itoa(uid)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line) // as glibc does before it looks for a comment
		f := strings.SplitN(line, ":", 4)
		if len(f) != 4 || f[2] != want || f[0] == "" || strings.ContainsAny(f[0][:1], "+-#") {
			continue
		}
		if found, err := user.ParsePasswd(strings.NewReader(line)); err == nil && len(found) == 1 {
			return found[0], true
		}
	}
	return user.User{}, false
}

// describe completes u, of whom its ids are known, from its passwd entry e (zero where there is none) and the
// environment.
//
// HOME goes before the entry, as for every other program: it is where the user's files are looked for, and who sets
// it (su, tests, a build) means it. Name and shell are the entry's: USER and SHELL outlive su and sudo. They
// serve where nobody knows the uid, as in a container started with one of its own.
func describe(u User, e user.User, env func(string) string) (User, error) {
	u.Name, u.Home, u.Shell = e.Name, env("HOME"), e.Shell
	if u.Name == "" {
		if u.Name = env("USER"); !plainName(u.Name) {
			u.Name = "uid-" + strconv.Itoa(u.UID)
		}
		u.Shell = env("SHELL")
	}
	if !path.IsAbs(u.Home) {
		u.Home = e.Home
	}
	if !path.IsAbs(u.Home) {
		return User{}, &Error{"cannot find your home: HOME is not set to an absolute path, and neither /etc/passwd nor getent has one for uid " + strconv.Itoa(u.UID),
			"set HOME"}
	}
	u.Home = path.Clean(u.Home)
	if !path.IsAbs(u.Shell) {
		u.Shell = "/bin/sh" // passwd(5): an empty field means this
	}
	return u, nil
}

// plainName tells whether a name from the environment can be one: it is shown, and given to programs as an argument.
func plainName(s string) bool {
	return s != "" && len(s) <= 256 && s[0] != '-' &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == ':' || r == '/' || r == 0x7f || r == '�' })
}
