// Package box keeps the state of sandboxes on disk: one directory for each box, below the data directory.
//
//	store, err := box.Open(dataDir)
//	b, err := store.Acquire("work") // made if it does not exist; ours alone until Close
//	err = b.Prepare(home, "kernel", false)
//
// The directory of a box:
//
//	lock                   flock(2), held while the box is in use; its text is the holder's pid
//	box.json               what the box is; written last, so that a box without it was never finished
//	upper/ work/ front/    the layers of the home (package overlay)
//	root-upper/ root-work/ the layers of a copy-on-write root
//	plan.json report.json  what the last run was and did
//	base                   what the home was like where the box changes it (package overlay)
//	trash/                 what is being dropped from the layers
//
// Nothing is synced before the program starts: after a power failure a box made just before may be gone, or be
// without box.json. Then its changes, if it has any, are not used and not removed without being asked.
//
// A run that is killed leaves its box. Where nothing has changed in it, and nobody gave it a name, List removes it
// (leftover_linux.go).
//
// Limits: a file system whose flock does not reach other machines (NFS with local_lock) does not keep a second
// machine out. Trees that hold files of subordinate ids can be removed only from a user namespace in which those
// ids are mapped: NeedsMapError.
package box
