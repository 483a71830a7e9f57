package launch

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"cove/internal/box"
	"cove/internal/stage"
	"cove/userns"
)

// RemoveWord is the command line's word for what runs in a user namespace to remove the files of a box: RemoveTree
// of the two arguments that follow, a directory and a name in it.
const RemoveWord = "_remove"

// RemoveBox removes the box of that name, also where it holds files of subordinate ids. Errors are those of
// box.Store.Remove.
func RemoveBox(store *box.Store, name string) error { return mapped(store.Remove(name)) }

func remove(b *box.Box) error { return mapped(b.Remove()) }

// mapped goes on after a *box.NeedsMapError: what is in the way belongs to ids that only a user namespace with the
// user's subordinate ids has rights over.
func mapped(err error) error {
	var needs *box.NeedsMapError
	if !errors.As(err, &needs) {
		return err
	}
	if again := removeMapped(needs.Dir, needs.Name); again != nil {
		return errors.Join(err, again)
	}
	return nil
}

func removeMapped(dir, name string) error {
	user, err := userns.CurrentUser(os.Getenv)
	if err != nil {
		return err
	}
	subs, err := userns.ReadRanges(user)
	if err != nil {
		return err
	}
	m, err := userns.Plan(user, subs, "root", "subids")
	if err != nil {
		return err
	}
	s, err := stage.New(unix.CLONE_NEWUSER)
	if err != nil {
		return err
	}
	s.Direct = true
	mapIDs(&s.Setup, m)
	if err := s.Exec([]string{"/proc/self/exe"}, []string{"cove", RemoveWord, dir, name}, []string{"HOME=/"}); err != nil {
		return err
	}
	proc, err := s.Start()
	if err != nil {
		var errno syscall.Errno
		errors.As(err, &errno)
		return &CloneError{errno, cloneHint(errno)}
	}
	status, failed, err := proc.Finish(func() error { return userns.Install(proc.PID, m) })
	switch {
	case err != nil:
		return err
	case failed != nil:
		return &StepError{Step: "remove files of subordinate ids", Errno: failed.Errno}
	case status.ExitStatus() != 0:
		return fmt.Errorf("cannot remove %s/%s from a user namespace: status %d", dir, name, status.ExitStatus())
	}
	return nil
}

// RemoveMain is what RemoveWord does.
func RemoveMain(dir, name string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	return box.RemoveTree(fd, name)
}
