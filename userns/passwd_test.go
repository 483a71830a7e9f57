package userns

import (
	"strings"
	"testing"

	"github.com/moby/sys/user"
)

func TestPasswdEntry(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "nobody"},
		{"an entry", "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000:Alice,,,:/home/alice:/bin/zsh\n", "alice /home/alice /bin/zsh"},
		{"the first of two", "a:x:1000:1:::\nb:x:1000:1::/b:/b\n", "a  "},
		{"no newline at the end", "alice:x:1000:1000::/home/alice:/bin/sh", "alice /home/alice /bin/sh"},
		{"no shell", "alice:x:1000:1000::/home/alice:\n", "alice /home/alice "},
		{"few fields", "alice:x:1000:1000\n", "alice  "},
		{"too few", "alice:x:1000\n", "nobody"},
		{"CRLF", "alice:x:1000:1000::/home/alice:/bin/sh\r\n", "alice /home/alice /bin/sh"},
		{"others", "alice:x:100:1000:::\nbob:x:10000:1000:::\n1000:x:1:1:::\ncarol:1000:1:1000:1000:/1000:\n", "nobody"},
		{"no number", "a:x:1000x:1:::\nb:x: 1000:1:::\nc:x:01000:1:::\nd:x:+1000:1:::\ne:x::1:::\n", "nobody"},
		{"NIS", "+::::::\n+alice:x:1000:1000:::\n-alice:x:1000:1000:::\n+@team:x:1000:1000:::\n", "nobody"},
		{"comments", "#alice:x:1000:1000:::\n # alice:x:1000:1000:::\n\t#:x:1000:1:::\n", "nobody"},
		{"without a name", ":x:1000:1000::/home:/bin/sh\n  :x:1000:1:::\n", "nobody"},
		{"blanks before it", "  alice:x:1000:1000::/home/alice:/bin/sh\n", "alice /home/alice /bin/sh"},
		{"a line that is too long", "alice:x:1000:1000:" + strings.Repeat("x", 100000) + ":/a:/a\nbob:x:1000:1000::/b:/b\n", "bob /b /b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := "nobody"
			if e, ok := passwdEntry(test.text, 1000); ok {
				got = e.Name + " " + e.Home + " " + e.Shell
			}
			if got != test.want {
				t.Errorf("%q, not %q", got, test.want)
			}
		})
	}
	// moby/sys/user reads what is no number as 0.
	if e, ok := passwdEntry("+::::::\nx:x:y:z:::\nroot:x:0:0::/root:/bin/sh\n", 0); !ok || e.Name != "root" {
		t.Errorf("root is %+v", e)
	}
}

func TestDescribe(t *testing.T) {
	entry := user.User{Name: "alice", Home: "/home/alice", Shell: "/bin/zsh"}
	for _, test := range []struct {
		name  string
		entry user.User
		env   string
		want  string
	}{
		{"all from the entry", entry, "", "alice /home/alice /bin/zsh"},
		{"HOME goes before the entry", entry, "HOME=/elsewhere", "alice /elsewhere /bin/zsh"},
		{"but not a relative one", entry, "HOME=elsewhere", "alice /home/alice /bin/zsh"},
		{"USER and SHELL do not", entry, "USER=bob SHELL=/bin/bash", "alice /home/alice /bin/zsh"},
		{"HOME is cleaned", entry, "HOME=//a/./b/../c/", "alice /a/c /bin/zsh"},
		{"no shell", user.User{Name: "alice", Home: "/home/alice"}, "SHELL=/bin/bash", "alice /home/alice /bin/sh"},
		{"a shell that is no path", user.User{Name: "alice", Home: "/home/alice", Shell: "zsh"}, "", "alice /home/alice /bin/sh"},
		{"nobody knows the uid", user.User{}, "HOME=/h USER=bob SHELL=/bin/bash", "bob /h /bin/bash"},
		{"nor does the environment", user.User{}, "HOME=/h", "uid-1000 /h /bin/sh"},
		{"a name that looks like an option", user.User{}, "HOME=/h USER=-rf", "uid-1000 /h /bin/sh"},
		{"a name that is a path", user.User{}, "HOME=/h USER=../x", "uid-1000 /h /bin/sh"},
		{"a name with a colon", user.User{}, "HOME=/h USER=a:b", "uid-1000 /h /bin/sh"},
		{"a name with a control character", user.User{}, "HOME=/h USER=a\x1b[31m", "uid-1000 /h /bin/sh"},
		{"a name that is no text", user.User{}, "HOME=/h USER=a\xff", "uid-1000 /h /bin/sh"},
		{"a long name", user.User{}, "HOME=/h USER=" + strings.Repeat("x", 257), "uid-1000 /h /bin/sh"},
		{"a name of another alphabet", user.User{}, "HOME=/h USER=алиса", "алиса /h /bin/sh"},
		{"no home", user.User{Name: "alice", Home: "nowhere"}, "HOME=.",
			"cannot find your home: HOME is not set to an absolute path, and neither /etc/passwd nor getent has one for uid 1000; set HOME"},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := map[string]string{}
			for _, v := range strings.Split(test.env, " ") {
				k, v, _ := strings.Cut(v, "=")
				env[k] = v
			}
			u, err := describe(User{UID: 1000, GID: 1000}, test.entry, func(k string) string { return env[k] })
			got := u.Name + " " + u.Home + " " + u.Shell
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("%q, not %q", got, test.want)
			}
		})
	}
}

func FuzzPasswd(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/zsh\n", 1000, "/h")
	f.Add("+::::::\n", 0, "")
	f.Add("  :x:5:5:::\n #a:x:5:5\n", 5, "relative")
	f.Add("a:x:5:5\r\n\x00", 5, "/")
	f.Fuzz(func(t *testing.T, text string, uid int, home string) {
		e, ok := passwdEntry(text, uid)
		if ok && (e.Name == "" || e.Uid != uid || strings.ContainsAny(e.Name, ":\n") || strings.ContainsAny(e.Name[:1], "+-# \t")) {
			t.Fatalf("%q: %+v", text, e)
		}
		u, err := describe(User{UID: uid}, e, func(string) string { return home })
		if err == nil && (u.Name == "" || !strings.HasPrefix(u.Home, "/") || !strings.HasPrefix(u.Shell, "/")) {
			t.Fatalf("%q: %+v", text, u)
		}
	})
}
