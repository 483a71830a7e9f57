package box

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// maxBases is how many boxes one can lie on, one on the other: each is a layer to be looked through.
const maxBases = 8

// Branch makes the box to, whose changes lie on those of the box from. From then on that one is only read: to go on in
// it, to remove it or to change its layers is a *BranchedError for as long as there is a box on top of it. What it
// holds may come into the home, and so out of it: what is seen through both stays the same.
//
// Errors are those of Get and Create.
func (s *Store) Branch(from, to string) error {
	base, err := s.Get(from)
	if err != nil {
		return err
	}
	defer base.unlock()
	bases, err := base.Bases()
	if err != nil {
		return err
	}
	if len(bases) >= maxBases {
		return fmt.Errorf("cannot branch box %s: it lies on %d others already, and each slows it down", from, len(bases))
	}
	b, err := s.Create(to)
	if err != nil {
		return err
	}
	defer b.unlock()
	// The base first: should we be killed between the two, it has a branch that does not exist, which does not count.
	base.Meta.Branches = append(base.Branches(), to)
	if err := base.WriteJSON("box.json", &base.Meta); err != nil {
		return err
	}
	m := base.Meta
	b.Meta = Meta{Name: to, Created: time.Now(), Home: m.Home, Backend: m.Backend, Subids: m.Subids, Masks: m.Masks, Base: from, Suspect: m.Suspect}
	if err := b.layers("upper", "work", m.Home, true); err != nil {
		return errors.Join(err, b.discard())
	}
	if err := b.WriteJSON("box.json", &b.Meta); err != nil {
		return errors.Join(err, b.discard())
	}
	return unix.Fsync(s.fd)
}

// discard takes back what Create made.
func (b *Box) discard() error { return RemoveTree(b.store.fd, b.name) }

// Branches lists the boxes that lie on this one.
func (b *Box) Branches() []string {
	if b.store == nil || b.store.fd < 0 {
		return b.Meta.Branches
	}
	return b.store.branches(b.name, &b.Meta)
}

// branches lists those that there are, and that were not removed and made anew.
func (s *Store) branches(name string, m *Meta) (list []string) {
	for _, n := range m.Branches {
		if branch, err := s.meta(n); err == nil && branch.Base == name || err != nil && !errors.Is(err, fs.ErrNotExist) {
			list = append(list, n)
		}
	}
	return list
}

// meta reads the box.json of a box.
func (s *Store) meta(name string) (m Meta, err error) {
	if err := CheckName(name); err != nil {
		return m, err
	}
	fd, err := unix.Openat(s.fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return m, err
	}
	defer unix.Close(fd)
	err = readJSON(fd, "box.json", &m)
	m.Name = name
	return m, err
}

// Bases lists the boxes that this one lies on, the topmost first. Each must still be there.
func (b *Box) Bases() ([]string, error) { return b.store.bases(b.name, &b.Meta) }

func (s *Store) bases(name string, m *Meta) (list []string, err error) {
	top := name
	for base := m.Base; base != ""; {
		if slices.Contains(list, base) || base == top || len(list) > maxBases {
			return nil, fmt.Errorf("cannot use box %s: the boxes that it lies on go in a circle", top)
		}
		next, err := s.meta(base)
		if err == nil && next.Home != m.Home {
			err = fmt.Errorf("it lies over %s", next.Home)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot use box %s: it lies on the changes in box %s, which cannot be used: %w", name, base, err)
		}
		list = append(list, base)
		name, base = base, next.Base
	}
	return list, nil
}

// Hold keeps the boxes that this one lies on from being changed, until this one is let go. Where one is in use, it is a
// *BusyError.
func (b *Box) Hold() ([]string, error) {
	list, err := b.Bases()
	if err != nil {
		return nil, err
	}
	for _, name := range list {
		fd, err := b.store.share(name)
		if err != nil {
			return nil, err
		}
		b.held = append(b.held, fd)
	}
	return list, nil
}

// share takes the lock of a box together with others who only read it.
func (s *Store) share(name string) (int, error) {
	dir, err := unix.Openat(s.fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, noSuchBox(name, err)
	}
	defer unix.Close(dir)
	fd, err := unix.Openat(dir, "lock", unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return -1, fmt.Errorf("cannot open the lock of box %s: %w", name, err)
	}
	for {
		err := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			pid := readPID(fd)
			unix.Close(fd)
			if err == unix.EWOULDBLOCK {
				return -1, &BusyError{name, pid}
			}
			return -1, fmt.Errorf("cannot lock box %s: %w", name, err)
		}
	}
}
