package profiles

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// largest is the size of the largest profile that is read.
const largest = 128 << 10

// isFile tells whether something is at path, whatever it is.
func isFile(path string) bool {
	return unix.Access(path, unix.F_OK) == nil
}

// readFile reads a regular file. It does not wait for a FIFO that somebody put there. With follow, path may end in
// a link, as dotfile managers make them; a file that a sandboxed program may have made is read without.
func readFile(path string, follow bool) ([]byte, error) {
	flags := unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := ignoringEINTR(func() (int, error) { return unix.Open(path, flags, 0) })
	if !follow && err == unix.ELOOP {
		return nil, errors.New("it is a symbolic link")
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return nil, unix.EISDIR
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, errors.New("it is not a regular file")
	case st.Size > largest:
		return nil, errors.New("it is larger than 128K")
	}
	text := make([]byte, 0, st.Size+1)
	for len(text) <= largest {
		if len(text) == cap(text) { // it grew
			text = append(text, 0)[:len(text)]
		}
		n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, text[len(text):cap(text)]) })
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return text, nil
		}
		text = text[:len(text)+n]
	}
	return nil, errors.New("it is larger than 128K")
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// writeFile replaces a file of the user's own at once: either the old or the new content is there, also after a
// crash.
func writeFile(dir, name string, content []byte) error {
	f, err := os.CreateTemp(dir, "."+name+".*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), dir+"/"+name)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// locked calls do while nobody else who asks has the directory locked.
func locked(dir string, do func() error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := ignoringEINTR(func() (int, error) { return 0, unix.Flock(int(d.Fd()), unix.LOCK_EX) }); err != nil {
		return err
	}
	return do()
}

// isMissing tells whether err says that there is no such file.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) }
