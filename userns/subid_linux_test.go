package userns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/internal/testenv"
)

func TestReadSubidFiles(t *testing.T) {
	const none = "-" // no such file
	for _, test := range []struct{ name, subuid, subgid, nsswitch, want string }{
		{"both", "alice:100000:65536\n", "bob:1:2\n1000:200000:5\n", "passwd: files\n", "uids 100000:65536 gids 200000:5"},
		{"no files at all", none, none, none, "uids  gids "},
		{"one of them", none, "alice:1:2\n", none, "uids  gids 1:2"},
		{"files by name", "alice:1:2\n", none, "subid: files\n", "uids 1:2 gids "},
		{"malformed", "alice:1:2\n", "root:1:2\nalice:1\n", none,
			`cannot read DIR/subgid:2: "alice:1" has 2 fields, not 3; a line there reads NAME:FIRST:COUNT, as alice:100000:65536`},
		{"both malformed: the first is named", "alice\n", "alice\n", none,
			`cannot read DIR/subuid:1: "alice" has 1 fields, not 3; a line there reads NAME:FIRST:COUNT, as alice:100000:65536`},
		{"another source: the files do not count", "alice:x\n", "alice:y\n", "subid: sss\n", "uids 7:8 gids 9:10"},
	} {
		t.Run(test.name, func(t *testing.T) {
			programs(t, map[string]string{"getsubids": `[ "$1" = -g ] && echo "0: alice 9 10" || echo "0: alice 7 8"`})
			dir := t.TempDir()
			for name, text := range map[string]string{"subuid": test.subuid, "subgid": test.subgid, "nsswitch.conf": test.nsswitch} {
				if text == none {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			r, err := subidFiles{dir + "/subuid", dir + "/subgid", dir + "/nsswitch.conf"}.read(alice)
			got := fmt.Sprintf("uids %s gids %s", ranges(r.UIDs, nil), ranges(r.GIDs, nil))
			if err != nil {
				got = strings.ReplaceAll(err.Error(), dir, "DIR")
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	dir := t.TempDir()
	for _, f := range []subidFiles{{dir, "/nowhere", "/nowhere"}, {"/nowhere", dir, "/nowhere"}, {"/nowhere", "/nowhere", dir}} {
		if r, err := f.read(alice); err == nil || !strings.HasPrefix(err.Error(), "cannot read the subordinate ids: read "+dir) {
			t.Errorf("a directory: %v, %v", r, err)
		}
	}
}

func TestGetsubids(t *testing.T) {
	const cannot = `cannot find the subordinate ids of alice in "sss", the source in /etc/nsswitch.conf: `
	const ask = "; ask whoever keeps that directory for a range, or use --ids single"
	for _, test := range []struct{ name, script, want string }{
		{"by name", `[ "$*" = alice ] && echo "0: alice 1 2"`, "1:2"},
		{"by uid where there are none by name", `[ "$*" = 1000 ] && echo "0: 1000 3 4"`, "3:4"},
		{"by uid where it fails by name", `[ "$*" = 1000 ] || { echo Error fetching ranges; exit 1; }; echo "0: 1000 3 4"`, "3:4"},
		{"none", "", cannot + "getsubids printed none" + ask},
		{"out of reach", "echo getsubids: no server >&2; exit 1", cannot + "getsubids: no server" + ask},
		{"the first answer is told", "echo no server for $1 >&2; exit 1", cannot + "getsubids: no server for alice" + ask},
		{"without a word", "exit 1", cannot + "getsubids: exit status 1" + ask},
		{"killed", "kill -9 $$", cannot + "getsubids: signal: killed" + ask},
		{"another program", "echo hello", cannot + `it printed "hello", not "0: NAME FIRST COUNT"`},
		{"warnings are no answer", `echo "Using files" >&2; echo "0: alice 1 2"`, "1:2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			programs(t, map[string]string{"getsubids": test.script})
			if got := ranges(askGetsubids(alice, "sss")); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	t.Run("groups", func(t *testing.T) {
		programs(t, map[string]string{"getsubids": `[ "$*" = "-g 1000" ] && echo "0: alice 5 6"`})
		if got := ranges(askGetsubids(alice, "sss", "-g")); got != "5:6" {
			t.Error(got)
		}
	})
	t.Run("not installed", func(t *testing.T) {
		programs(t, nil)
		want := cannot + "getsubids is not installed; install it: sudo apt install uidmap (shadow-utils-subid elsewhere)"
		if got := ranges(askGetsubids(alice, "sss")); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// The real getsubids reads the same files, and finds the same.
func TestRealGetsubids(t *testing.T) {
	_, err := exec.LookPath("getsubids")
	testenv.Need(t, "getsubids", err)
	u, subs := me(t)
	conf, err := os.ReadFile("/etc/nsswitch.conf")
	if source := subidSource(string(conf)); err == nil && source != "files" {
		testenv.Need(t, "getsubids", fmt.Errorf("it would ask %s", source))
	}
	uids, err := askGetsubids(u, "files")
	if err != nil {
		t.Fatal(err)
	}
	gids, err := askGetsubids(u, "files", "-g")
	if err != nil {
		t.Fatal(err)
	}
	if got := (Ranges{uids, gids}); fmt.Sprint(got) != fmt.Sprint(subs) {
		t.Errorf("%v, not %v", got, subs)
	}
}

func TestOutput(t *testing.T) {
	for _, test := range []struct{ name, script, want, err string }{
		{"well", "echo hello; echo there", "hello\nthere\n", "<nil>"},
		{"arguments", `for a; do echo "<$a>"; done`, "<a b>\n<>\n", "<nil>"},
		{"its last words, without its name", "echo prog: no way >&2; exit 1", "", "prog: no way"},
		{"its last words", "echo no; echo way >&2; exit 1", "", "prog: way"},
		{"no words", "exit 3", "", "prog: exit status 3"},
		{"in C", `echo "$LC_ALL $LANG"`, "C de_DE\n", "<nil>"},
		// As a service that it had to start does.
		{"a child of its own stays", "/bin/sleep 5 & echo hello", "hello\n", "<nil>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			programs(t, map[string]string{"prog": test.script})
			t.Setenv("LC_ALL", "de_DE")
			t.Setenv("LANG", "de_DE")
			start := time.Now()
			got, err := output(time.Minute, "prog", "a b", "")
			if got != test.want || fmt.Sprint(err) != test.err {
				t.Errorf("%q, %v", got, err)
			}
			if d := time.Since(start); d > 4*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
	t.Run("no answer", func(t *testing.T) {
		programs(t, map[string]string{"prog": "echo hello; /bin/sleep 20"})
		start := time.Now()
		got, err := output(50*time.Millisecond, "prog")
		if got != "" || fmt.Sprint(err) != "prog did not answer within 50ms" {
			t.Errorf("%q, %v", got, err)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("it took %v", d)
		}
	})
	t.Run("not there", func(t *testing.T) {
		programs(t, nil)
		if _, err := output(time.Minute, "prog"); !errors.Is(err, exec.ErrNotFound) {
			t.Error(err)
		}
	})
}
