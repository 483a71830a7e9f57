package overlay

import (
	"context"
	"path"

	"golang.org/x/sys/unix"
)

// A Total is how much there is below a directory.
type Total struct {
	Files int   // all but directories
	Bytes int64 // of regular files
	Part  bool  // there is more: it cannot be read, or was not counted
}

// Sum counts what is below the directory rel of root, and looks at no more than most entries. No link is followed.
func Sum(ctx context.Context, root int, rel string, most int) (t Total) {
	buf := buffers.Get().(*[chunk]byte)
	defer buffers.Put(buf)
	for todo := []string{rel}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		fd, err := OpenAt(root, at, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
		if err != nil {
			t.Part = true
			continue
		}
		names, all, err := readSome(fd, buf[:], most)
		t.Part = t.Part || !all || err != nil
		for _, name := range names {
			if most--; most < 0 || ctx.Err() != nil {
				t.Part = true
				unix.Close(fd)
				return t
			}
			var st unix.Stat_t
			if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT) != nil {
				t.Part = true
				continue
			}
			switch st.Mode & unix.S_IFMT {
			case unix.S_IFDIR:
				todo = append(todo, path.Join(at, name))
				continue
			case unix.S_IFREG:
				t.Bytes += st.Size
			}
			t.Files++
		}
		unix.Close(fd)
	}
	return t
}
