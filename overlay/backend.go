package overlay

import (
	"slices"
	"strings"
)

// A Backend is who wrote an upper directory. Both mark what is deleted in it, but not alike: mounted by the kernel,
// files that were deleted under fuse-overlayfs come back.
type Backend string

const (
	// Kernel is overlayfs mounted with userxattr (Documentation/filesystems/overlayfs.rst). What is deleted is a
	// character device 0:0, or in theory an empty file with the attribute user.overlay.whiteout; a directory made
	// anew has user.overlay.opaque=y. "x" there does not mean opaque, but that the other sort of whiteout may be in it.
	Kernel Backend = "kernel"
	// Fuse is fuse-overlayfs (main.c, load_dir and is_directory_opaque; since 2026 src/whiteout.rs). Besides the
	// devices it has files .wh.NAME, where it may not make devices; a directory made anew has .wh..wh..opq in it,
	// and user.fuseoverlayfs.opaque or user.overlay.opaque, depending on the version.
	Fuse Backend = "fuse"
)

const (
	attrWhiteout = "user.overlay.whiteout"
	filePrefix   = ".wh."
	fileOpaque   = ".wh..wh..opq"
)

// opaqueAttrs are the attributes of which any makes a directory opaque.
func (b Backend) opaqueAttrs() []string {
	if b == Fuse {
		return []string{"user.overlay.opaque", "user.fuseoverlayfs.opaque"}
	}
	return []string{"user.overlay.opaque"}
}

// opaqueValue tells whether the value of such an attribute means opaque.
func (b Backend) opaqueValue(v []byte) bool {
	if b == Fuse {
		return len(v) > 0 && v[0] == 'y'
	}
	return string(v) == "y"
}

// sift parts the names in an upper directory, which are sorted, into files, names of what is deleted, and whether
// the directory is opaque. It may reorder names.
//
// Where .wh.NAME stands beside NAME, NAME is there: it was made afterwards, and fuse-overlayfs forgot the mark
// (fuse-overlayfs #279).
func (b Backend) sift(names []string) (files, deleted []string, opaque bool) {
	if b != Fuse {
		return names, nil, false
	}
	from, _ := slices.BinarySearch(names, filePrefix)
	to := from
	for to < len(names) && strings.HasPrefix(names[to], filePrefix) {
		to++
	}
	if from == to {
		return names, nil, false
	}
	marks := slices.Clone(names[from:to])
	files = slices.Delete(names, from, to)
	for _, mark := range marks {
		name := mark[len(filePrefix):]
		switch {
		case mark == fileOpaque:
			opaque = true
		case name == "", name == ".", name == "..":
			// The program cannot make these, and the directory itself or the one above is not what they delete.
		case strings.HasPrefix(name, filePrefix):
			// Names that fuse-overlayfs never shows cannot be deleted through it.
		default:
			if _, there := slices.BinarySearch(files, name); !there {
				deleted = append(deleted, name)
			}
		}
	}
	return files, deleted, opaque
}

// missing lists the names of home that files lacks; both are sorted. Those are what an opaque directory deletes.
func (b Backend) missing(home, files []string) (list []string) {
	for _, name := range home {
		for len(files) > 0 && files[0] < name {
			files = files[1:]
		}
		if len(files) > 0 && files[0] == name || b == Fuse && strings.HasPrefix(name, filePrefix) {
			continue
		}
		list = append(list, name)
	}
	return list
}
