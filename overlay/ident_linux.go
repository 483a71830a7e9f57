package overlay

import (
	"golang.org/x/sys/unix"
)

// An ident is by what a file is known again. Its time of change is kept, but moving a file changes that; the number of
// its device is not kept, as it may be another after the machine was started again.
type ident struct {
	Ino   uint64 `json:"ino"`
	Mode  uint32 `json:"mode"` // with the type, as in stat(2)
	Size  int64  `json:"size,omitempty"`
	MTime int64  `json:"mtime,omitempty"` // ns
	CTime int64  `json:"ctime,omitempty"` // ns
}

func identOf(st *unix.Stat_t) ident {
	id := ident{Ino: st.Ino, Mode: st.Mode, MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano()}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		id.Size = st.Size
	}
	return id
}

// identAt is that of a name in a directory; the zero ident where nothing is there.
func identAt(dirfd int, name string) (ident, error) {
	var st unix.Stat_t
	err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
	if err == unix.ENOENT {
		return ident{}, nil
	}
	if err != nil {
		return ident{}, err
	}
	return identOf(&st), nil
}

func (a Attr) ident() ident {
	if a.Type == TypeAbsent {
		return ident{}
	}
	return ident{Ino: a.Inode, Mode: a.fmt() | uint32(a.Mode), Size: a.Size, MTime: a.MTime.UnixNano(), CTime: a.ctime}
}

// fmt is the type as in stat(2).
func (a Attr) fmt() uint32 {
	switch a.Type {
	case TypeFile:
		return unix.S_IFREG
	case TypeDir:
		return unix.S_IFDIR
	case TypeSymlink:
		return unix.S_IFLNK
	case TypeFifo:
		return unix.S_IFIFO
	case TypeSocket:
		return unix.S_IFSOCK
	}
	return unix.S_IFCHR
}

func (id ident) none() bool  { return id == ident{} }
func (id ident) isDir() bool { return id.Mode&unix.S_IFMT == unix.S_IFDIR }

// is tells whether other is the same file, with the same content as far as its attributes tell.
func (id ident) is(other ident) bool {
	return id.Ino == other.Ino && (id.Mode^other.Mode)&unix.S_IFMT == 0 && id.Size == other.Size && id.MTime == other.MTime
}

// untouched tells whether nothing at all happened to it since.
func (id ident) untouched(other ident) bool { return id == other }
