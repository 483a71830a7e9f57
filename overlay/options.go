package overlay

// Options say what is known of an upper directory.
type Options struct {
	Backend Backend // who wrote it; "" is Kernel
	// Hidden are paths relative to the home that the program never saw. A change at or below one has the flag Hidden,
	// and so has one that takes away a directory with one in it.
	Hidden []string
	// Mounts are mount points in the home that a layer before it held directories for. The directories above these,
	// and above what was hidden, were copied up from that layer: without the owner, the attributes and the ACLs of
	// the home's, which is not reported.
	Mounts []string
	// Made are what was made in the upper directory before the program ran, as the mount points in a copy-on-write root:
	// directories and empty files, and links with what they say. That these were added is not reported.
	Made map[string]string
	// Only are paths, clean and relative to the home: nothing else is looked at than what is at or below one of them, and
	// the directories above. Empty is all.
	Only []string
}
