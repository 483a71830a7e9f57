package box

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// Names are the names of the boxes, sorted. It is for who must be quick, and so reads none of them: a box whose
// box.json is broken is among them, one that lost it is not.
func (s *Store) Names() ([]string, error) {
	if err := s.open(false); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	all, err := readNames(s.fd)
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", s.path, err)
	}
	names := slices.DeleteFunc(all, func(name string) bool {
		// One that was never finished has no box.json.
		return CheckName(name) != nil || unix.Faccessat(s.fd, name+"/box.json", unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) != nil
	})
	slices.Sort(names)
	return names, nil
}
