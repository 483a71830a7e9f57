package overlay

import "strings"

// SetOf tells which file or directory a path belongs to so much that the one says nothing true without the other: a
// database of SQLite and its write-ahead log and journal (sqlite.org/fileformat2.html, 1.3), or the index, the refs and
// the objects of a git repository. It is "" where the path stands for itself. It goes by the name alone.
func SetOf(p string) string {
	if repo, ok := repository(p); ok {
		return repo
	}
	for _, suffix := range [...]string{"-wal", "-shm", "-journal"} {
		if base := strings.TrimSuffix(p, suffix); len(base) < len(p) && base != "" && base[len(base)-1] != '/' {
			return base
		}
	}
	return ""
}

// repository finds the git directory that keeps its state in p. Hooks and configuration are no state.
func repository(p string) (dir string, ok bool) {
	i := strings.Index(p, ".git/")
	for from := 0; i >= 0 && i > from && p[i-1] != '/'; {
		from = i + len(".git/")
		if i = strings.Index(p[from:], ".git/"); i >= 0 {
			i += from
		}
	}
	if i < 0 {
		return "", false
	}
	dir = p[:i+len(".git")]
	rest := p[len(dir)+1:]
	first, _, _ := strings.Cut(rest, "/")
	switch first {
	case "hooks", "config", "config.worktree", "info", "modules", "worktrees", "description":
		return "", false
	}
	return dir, true
}
