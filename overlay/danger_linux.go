package overlay

import (
	"strings"

	"golang.org/x/sys/unix"
)

// mostConfig is how long a configuration may be that is read.
const mostConfig = 1 << 20

// Judge is Danger, but where the content of a file can tell that it is harmless, it is read, on both sides: upper is the
// layer that the change lies in, home the real home. What cannot be read is dangerous.
func (d *Dangers) Judge(c Change, upper, home int) []Hazard {
	why, look := danger1(c, d)
	if !look {
		return why
	}
	after, ok := commandsAt(upper, &c, c.After.Type)
	before, ok2 := commandsAt(home, &c, c.Before.Type)
	if !ok || !ok2 {
		return why
	}
	keys := gitDiffers(before, after)
	kept := why[:0]
	for _, r := range why {
		if r.Class == classGit {
			if keys == nil {
				continue
			}
			r.Why += ": " + strings.Join(keys, ", ")
		}
		kept = append(kept, r)
	}
	return kept
}

// commandsAt is gitCommands of a file, if it is one.
func commandsAt(root int, c *Change, t Type) (list []string, ok bool) {
	if t != TypeFile {
		return nil, t == TypeAbsent
	}
	fd, size, err := OpenFile(root, c.Path)
	if err != nil {
		return nil, false
	}
	defer unix.Close(fd)
	if size > mostConfig {
		return nil, false
	}
	text := make([]byte, size)
	whole, err := readAt(fd, text, 0)
	if err != nil || !whole {
		return nil, false
	}
	return gitCommands(string(text))
}
