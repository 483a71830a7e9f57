package sys

import (
	"fmt"
	"strconv"
	"strings"
)

// A Mount is one line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type Mount struct {
	Path    string   // where it is mounted, unescaped
	Device  string   // of the file system, as "8:1"
	Root    string   // what of the file system it shows, unescaped; "/" is all
	Type    string   // file system type, as ext4 or fuse.sshfs
	Options []string // the mount's own options; those of the file system are left out
}

// ParseMountinfo reads the text of a mountinfo file. A malformed line is an error: a mount that is not
// understood could be one that must not be overlooked.
func ParseMountinfo(text string) ([]Mount, error) {
	mounts := make([]Mount, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 6 || len(r) < 1 {
			return nil, fmt.Errorf("cannot understand a line of mountinfo: %q", line)
		}
		mounts = append(mounts, Mount{unescape(l[4]), l[2], unescape(l[3]), r[0], strings.Split(l[5], ",")})
	}
	return mounts, nil
}

// unescape undoes the octal escapes of mangle_path in the kernel: space, tab, newline, backslash and '#'.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
