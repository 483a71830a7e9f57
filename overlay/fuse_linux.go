package overlay

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// FuseOverlayfs finds fuse-overlayfs in search, a PATH, and makes sure that its device can be opened. The error says
// what is missing and how to get it.
func FuseOverlayfs(search string) (bin string, err error) {
	if bin = FindFuseOverlayfs(search); bin == "" {
		return "", errors.New("fuse-overlayfs is not installed: sudo apt-get install fuse-overlayfs")
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("fuse-overlayfs cannot be used, as /dev/fuse cannot be opened (%w): sudo modprobe fuse; sudo chmod 666 /dev/fuse", err)
	}
	unix.Close(fd)
	return bin, nil
}

// FindFuseOverlayfs finds fuse-overlayfs in search, a PATH; "" where it is not there.
func FindFuseOverlayfs(search string) string {
	for _, dir := range strings.Split(search, ":") {
		if p := path.Join(dir, "fuse-overlayfs"); path.IsAbs(p) && unix.Access(p, unix.X_OK) == nil {
			return p
		}
	}
	return ""
}
