package box

import (
	"fmt"
	"strings"
)

// A BusyError says that another process uses the box.
type BusyError struct {
	Name string
	PID  int // the holder, in its own pid namespace; 0 where it is not known
}

func (e *BusyError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("cannot use box %s: another cove uses it", e.Name)
	}
	return fmt.Sprintf("cannot use box %s: another cove uses it (pid %d)", e.Name, e.PID)
}

// A BranchedError says that other boxes lie on top of the changes in one: they must stay as they are.
type BranchedError struct {
	Name     string
	Branches []string
}

func (e *BranchedError) Error() string {
	return fmt.Sprintf("cannot change box %s: the box %s lies on top of its changes", e.Name, strings.Join(e.Branches, " and the box "))
}

// A NeedsMapError says that a tree holds files of ids other than the caller's. RemoveTree can remove what is at
// Dir/Name from within a user namespace that maps the caller's subordinate ids. From Remove, the box itself is
// already gone; from Prepare, it is whole, and only its work directory is in the way.
type NeedsMapError struct {
	Dir, Name string
	UID       int // the owner of the first directory in the way
}

func (e *NeedsMapError) Error() string {
	return fmt.Sprintf("cannot remove %s/%s: it holds files of user id %d, which only a user namespace with your subordinate ids can remove", e.Dir, e.Name, e.UID)
}
