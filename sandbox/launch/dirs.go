package launch

import (
	"fmt"
	"path/filepath"
)

// Dirs are the roots of everything that cove keeps.
type Dirs struct {
	Config  string // profiles
	Data    string // boxes; they may hold work that was not yet applied, so it is data and not cache
	Runtime string // sockets
}

// FindDirs finds them as the XDG Base Directory Specification says: a variable that is not an absolute path is
// ignored.
func FindDirs(getenv func(string) string, home string) (Dirs, error) {
	if !filepath.IsAbs(home) {
		return Dirs{}, fmt.Errorf("cannot tell where your home directory is: HOME is %q", home)
	}
	dir := func(name, def string) string {
		if d := getenv(name); filepath.IsAbs(d) {
			return filepath.Join(d, "cove")
		}
		return filepath.Join(def, "cove")
	}
	d := Dirs{
		Config: dir("XDG_CONFIG_HOME", filepath.Join(home, ".config")),
		Data:   dir("XDG_DATA_HOME", filepath.Join(home, ".local/share")),
	}
	// Without a session there is no runtime directory; then it lies with the data, where it is the user's own.
	d.Runtime = filepath.Join(d.Data, "run")
	if r := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(r) {
		d.Runtime = filepath.Join(r, "cove")
	}
	return d, nil
}
