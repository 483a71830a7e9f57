package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/internal/box"
	"cove/overlay"
	"cove/sandbox"
)

// boxAndPaths are what was typed after the flags, [BOX] [PATH…]: the first word is a box or a path.
type boxAndPaths struct {
	Box   string   `arg:"" optional:"" name:"box"`
	Paths []string `arg:"" optional:"" name:"path"`
}

func (b *boxAndPaths) words() []string {
	if b.Box == "" {
		return b.Paths
	}
	return append([]string{b.Box}, b.Paths...)
}

// pick reads [BOX] [PATH…]: the first word is a box if there is one of that name. Paths are returned as they are, but
// relative to the home of the box.
func (a *app) pick(words []string) (name string, paths []string, err error) {
	infos, err := a.boxes()
	if err != nil {
		return "", nil, err
	}
	names := boxNames(infos)
	if len(words) > 0 && slices.Contains(names, words[0]) {
		name, words = words[0], words[1:]
	}
	switch {
	case name == "" && len(infos) == 0:
		return "", nil, noBoxes()
	case name == "":
		name = lastUsed(infos).Name
		a.ui.whichBox(name)
	}
	home := a.home
	for _, i := range infos {
		if i.Name == name && i.Home != "" {
			home = i.Home
		}
	}
	for _, w := range words {
		rel, err := a.relative(w, home)
		if err != nil {
			return "", nil, err
		}
		paths = append(paths, rel)
	}
	return name, paths, nil
}

// relative is a path as people write it, relative to the home: that is how paths are shown, so that they can be pasted.
// With / or ./ or ../ at the beginning it says where it begins.
func (a *app) relative(word, home string) (string, error) {
	p := word
	switch {
	case word == "":
		return "", notInHome(word, home)
	case strings.HasPrefix(word, "./"), strings.HasPrefix(word, "../"), word == ".", word == "..":
		p = path.Join(a.cwd, word)
	case !path.IsAbs(word):
		p = path.Join(home, word)
	}
	if rel, ok := inside(p, home); ok {
		return rel, nil
	}
	// The home, or what leads to it, may be a link.
	if realHome, err := filepath.EvalSymlinks(home); err == nil {
		if dir, err := filepath.EvalSymlinks(path.Dir(p)); err == nil {
			if rel, ok := inside(path.Join(dir, path.Base(p)), realHome); ok {
				return rel, nil
			}
		}
	}
	return "", notInHome(word, home)
}

// inside tells where in dir a path is; "." is dir itself.
func inside(p, dir string) (rel string, ok bool) {
	p, dir = path.Clean(p), path.Clean(dir)
	if p == dir {
		return ".", true
	}
	return strings.CutPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// A held box is ours alone, with what is needed to change it or the home below.
type held struct {
	*box.Box
	upper, home int
	opts        overlay.Options
}

// hold takes a box. Where its home was no copy, upper is -1.
func (a *app) hold(name string) (_ *held, err error) {
	store, err := box.Open(a.dirs.Data)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	b, err := store.Get(name)
	if errors.Is(err, fs.ErrNotExist) {
		infos, err := a.boxes()
		return nil, errors.Join(noSuchBox(name, boxNames(infos)), err)
	} else if err != nil {
		return nil, err
	}
	h := &held{Box: b, upper: -1, home: -1}
	defer func() {
		if err != nil {
			h.letGo()
		}
	}()
	var plan sandbox.Plan
	if err := b.ReadJSON("plan.json", &plan); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	front := plan.Home.Front
	h.opts = overlay.Options{Backend: overlay.Backend(b.Meta.Backend), Hidden: b.Meta.Masks, Mounts: slices.Concat(front.Dirs, front.Files)}
	if h.home, err = openHome(b.Meta.Home); err != nil {
		return nil, err
	}
	if h.upper, err = b.OpenDir("upper", false); errors.Is(err, fs.ErrNotExist) {
		h.upper = -1
	} else if err != nil {
		return nil, err
	}
	return h, nil
}

func openHome(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot open the home %s: %w", dir, err)
	}
	return fd, nil
}

func (h *held) letGo() {
	for _, fd := range []int{h.upper, h.home} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	h.Box.Close()
}
