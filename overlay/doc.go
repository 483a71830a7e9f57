// Package overlay knows copy-on-write directories: what stands before the real home so that parts of it are
// hidden, whether this kernel and these file systems can do it, and what a program changed.
//
//	front := overlay.Front{Hide: []string{".ssh"}, Dirs: []string{"src/project"}}
//	entries := front.Entries(attr) // in memory for the kernel; overlay.Build for fuse-overlayfs
//	// mount lowerdir=FRONT:HOME,upperdir=…,workdir=…,userxattr; run the program; then
//	err = overlay.Walk(ctx, upperfd, homefd, overlay.Options{Backend: overlay.Kernel}, func(c overlay.Change) error { … })
//
// What a program changed is found by walking the upper directory alone, so that it costs as much as was changed and
// not as much as the home holds. Everything below upper was made by the program and is taken for hostile: nothing
// in it is opened but directories and regular files, no link is followed and no path is looked up from a root.
//
// Limits: the real home is live. What is changed there while the program runs shows through, and a comparison
// afterwards sees the home as it is then. Renames are not recorded: they are a deletion and an addition. POSIX ACLs
// and extended attributes of a directory that holds something hidden are not seen inside, nor is its owner if that
// is not the user.
package overlay
