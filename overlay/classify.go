package overlay

// A look is what must be read of two files before it is known how they differ.
type look uint8

const (
	lookNowhere look = iota
	lookBytes        // both are regular files of one size
	lookText         // both are symbolic links
	lookInside       // both are directories
	lookAttr         // both are of one type, and only attributes can differ
)

// classify tells what was done to a name, given what is there in the upper directory and in the real home. Kind is
// "" where nothing was, or where it takes a look to know.
//
//	upper \ home   nothing   the same type                              another type
//	nothing        -         D                                          D
//	file           A         M by size, else by its bytes; else m       T
//	symlink        A         M by its text; else m                      T
//	dir            A         R or m, and what is inside                 T
//	fifo, socket   A         m                                          T
//	device         A         M by its number; else m                    T
//
// A whiteout is nothing in the upper directory. In the home it is a file that the program could not see: nothing was
// deleted where the upper has nothing either, but it is in the way of what the upper has.
func classify(upper, home *Attr) (Kind, look) {
	switch {
	case upper.Type.nothing():
		if home.Type.nothing() {
			return "", lookNowhere // an orphan: somebody else deleted it in the home, too
		}
		return Deleted, lookNowhere
	case home.Type == TypeAbsent:
		return Added, lookNowhere
	case upper.Type != home.Type:
		return Retyped, lookNowhere
	}
	switch upper.Type {
	case TypeFile:
		if upper.Size != home.Size {
			return Modified, lookNowhere
		}
		return "", lookBytes
	case TypeSymlink:
		return "", lookText
	case TypeDir:
		return "", lookInside
	case TypeDevice:
		if upper.rdev != home.rdev {
			return Modified, lookNowhere
		}
	}
	return "", lookAttr
}

// attrFlags lists what differs in the attributes of two files of one type. The times of anything but a regular file
// change when its entries do, when it is written to, or by being made anew: they say nothing. Nor does the owner
// under fuse-overlayfs, which shows all files as the user's own (squash_to_uid) and copies them as such.
func attrFlags(upper, home *Attr, b Backend) (f Flags) {
	if upper.Type != home.Type {
		return 0
	}
	if upper.Mode != home.Mode {
		f |= DiffMode
	}
	if b != Fuse && (upper.UID != home.UID || upper.GID != home.GID) {
		f |= DiffOwner
	}
	if upper.Type == TypeFile && !upper.MTime.Equal(home.MTime) {
		f |= DiffTime
	}
	return f
}

// warnFlags lists what a reviewer must know of a change, as far as attributes tell.
func warnFlags(kind Kind, upper, home *Attr) (f Flags) {
	if home.Type == TypeWhiteout {
		f |= Hidden
	}
	if kind == Deleted {
		return f
	}
	if home.Links > 1 && home.Type != TypeDir && home.Type != TypeWhiteout { // all whiteouts are links of one
		f |= HardLink
	}
	switch upper.Type {
	case TypeFile:
		gained := upper.Mode
		if home.Type == TypeFile {
			gained &^= home.Mode
		}
		if gained&0o4000 != 0 {
			f |= Setuid
		}
		if gained&0o2000 != 0 {
			f |= Setgid
		}
	case TypeFifo, TypeSocket, TypeDevice:
		if kind != Meta {
			f |= Special
		}
	}
	return f
}
