package sys

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestParseMountinfo(t *testing.T) {
	text := "36 35 98:0 /mnt1 /mnt\\0402\\134x rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n" +
		"40 36 0:33 / /home/u/a\\012b ro,nosuid shared:1 master:2 - fuse.sshfs h:/ rw\n"
	mounts, err := ParseMountinfo(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(mounts) != 2 || mounts[0].Path != "/mnt 2\\x" || mounts[0].Type != "ext3" || mounts[1].Path != "/home/u/a\nb" ||
		mounts[0].Device != "98:0" || mounts[0].Root != "/mnt1" || mounts[1].Root != "/" ||
		!slices.Equal(mounts[1].Options, []string{"ro", "nosuid"}) {
		t.Errorf("got %+v", mounts)
	}
	for _, bad := range []string{"x\n", "36 35 98:0 /mnt1 /mnt2 rw master:1 ext3 /dev/root rw\n", " - \n"} {
		if _, err := ParseMountinfo(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	self, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	mounts, err = ParseMountinfo(string(self))
	if err != nil || !slices.ContainsFunc(mounts, func(m Mount) bool { return m.Path == "/proc" && m.Type == "proc" }) {
		t.Errorf("our own mountinfo: %v, %d mounts", err, len(mounts))
	}
}

func FuzzParseMountinfo(f *testing.F) {
	f.Add("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n")
	f.Add("1 1 0:0 / / rw - x")
	f.Fuzz(func(t *testing.T, text string) {
		mounts, err := ParseMountinfo(text)
		if err == nil && len(mounts) > strings.Count(text, "\n")+1 {
			t.Errorf("%d mounts from %q", len(mounts), text)
		}
	})
}
