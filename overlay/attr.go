package overlay

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// A Type is what a file is: inode(7).
type Type string

const (
	TypeAbsent   Type = ""
	TypeFile     Type = "file"
	TypeDir      Type = "dir"
	TypeSymlink  Type = "symlink"
	TypeFifo     Type = "fifo"
	TypeSocket   Type = "socket"
	TypeDevice   Type = "device"
	TypeWhiteout Type = "whiteout" // a character device 0:0. In any layer overlayfs shows nothing there
)

// nothing tells whether a program that looks through overlayfs finds nothing.
func (t Type) nothing() bool { return t == TypeAbsent || t == TypeWhiteout }

// Mode is permission bits with setuid (04000), setgid (02000) and sticky (01000). It is octal as text.
type Mode uint32

func (m Mode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

func (m *Mode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 12)
	*m = Mode(n)
	return err
}

// Attr is one side of a Change: a file in the upper directory, or in the real home. As JSON it is an object with
// the names below. Where Target is not UTF-8, target is missing and target_base64 has its bytes.
type Attr struct {
	Type   Type      // "type"
	Mode   Mode      // "mode", a string: "0644"
	UID    uint32    // "uid"
	GID    uint32    // "gid"
	Links  uint32    // "links": how many names the file has; for a directory it says nothing
	Size   int64     // "size" in bytes, of regular files
	Disk   int64     // "disk": bytes that one takes on disk; few where it has holes, or shares them
	MTime  time.Time // "mtime", RFC 3339 with nanoseconds
	Inode  uint64    // "inode": changes with the same one in After, and Links > 1, are one file with many names
	Target string    // "target": what a symbolic link says

	dev, rdev uint64
	ctime     int64 // ns
	blocks    int64 // of 512 bytes
}

type attrJSON struct {
	Type         Type       `json:"type"`
	Mode         Mode       `json:"mode"`
	UID          uint32     `json:"uid"`
	GID          uint32     `json:"gid"`
	Links        uint32     `json:"links,omitempty"`
	Size         int64      `json:"size,omitempty"`
	Disk         int64      `json:"disk,omitempty"`
	MTime        *time.Time `json:"mtime,omitempty"`
	Inode        uint64     `json:"inode,omitempty"`
	Target       string     `json:"target,omitempty"`
	TargetBase64 []byte     `json:"target_base64,omitempty"`
}

func (a Attr) MarshalJSON() ([]byte, error) {
	j := attrJSON{Type: a.Type, Mode: a.Mode, UID: a.UID, GID: a.GID, Links: a.Links, Size: a.Size, Disk: a.Disk, Inode: a.Inode}
	if !a.MTime.IsZero() {
		j.MTime = &a.MTime
	}
	j.Target, j.TargetBase64 = textOrBytes(a.Target)
	return json.Marshal(j)
}

func (a *Attr) UnmarshalJSON(text []byte) error {
	var j attrJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*a = Attr{Type: j.Type, Mode: j.Mode, UID: j.UID, GID: j.GID, Links: j.Links, Size: j.Size, Disk: j.Disk, Inode: j.Inode, Target: j.Target + string(j.TargetBase64)}
	if j.MTime != nil {
		a.MTime = *j.MTime
	}
	return nil
}

// textOrBytes puts a name that is not UTF-8 where its bytes survive. encoding/json would write U+FFFD for what it
// cannot: another name, perhaps of another file. Who reads only the text then finds none, which is loud.
func textOrBytes(s string) (text string, raw []byte) {
	if utf8.ValidString(s) {
		return s, nil
	}
	return "", []byte(s)
}
