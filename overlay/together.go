package overlay

import "strings"

// Some files say nothing true without others: an SQLite database without its write-ahead log has lost what was
// committed last (https://sqlite.org/wal.html, 4.3), and a git index or ref may name objects that are not there. They
// are applied together, or not at all.

var sqliteSuffixes = [...]string{"-wal", "-shm", "-journal"}

// companions lists the other paths that go where p goes.
func companions(p string) (list []string) {
	base := databaseOf(p)
	if base != p {
		list = append(list, base)
	}
	for _, suffix := range sqliteSuffixes {
		if base+suffix != p {
			list = append(list, base+suffix)
		}
	}
	if repo, ok := repositoryOf(p); ok && repo != p {
		list = append(list, repo)
	}
	return list
}

// bondOf is the same for paths that must not be parted, and the path itself where that is free.
func bondOf(p string) string {
	if repo, ok := repositoryOf(p); ok {
		return repo
	}
	return databaseOf(p)
}

func databaseOf(p string) string {
	for _, suffix := range sqliteSuffixes {
		if base := strings.TrimSuffix(p, suffix); base != p && base != "" && !strings.HasSuffix(base, "/") {
			return base
		}
	}
	return p
}

// repositoryOf finds the git directory whose index, objects and refs p is of. Hooks and configuration stand alone.
func repositoryOf(p string) (dir string, ok bool) {
	for from := 0; ; {
		i := strings.Index(p[from:], ".git")
		if i < 0 {
			return "", false
		}
		start, end := from+i, from+i+len(".git")
		if (start == 0 || p[start-1] == '/') && (end == len(p) || p[end] == '/') {
			first, _, _ := strings.Cut(strings.TrimPrefix(p[end:], "/"), "/")
			return p[:end], first != "hooks" && first != "config" && first != "info"
		}
		from = end
	}
}
