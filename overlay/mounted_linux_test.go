package overlay

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/testenv"
)

// A mounter mounts an overlay, and returns what unmounts it.
type mounter func(t *testing.T, dir string) (unmount func())

// mountKernel mounts overlayfs as a sandbox does.
func mountKernel(t *testing.T, dir string) func() {
	t.Helper()
	merged := dir + "/merged"
	testenv.Need(t, "overlayfs", unix.Mount("overlay", merged, "overlay", 0, fmt.Sprintf("userxattr,lowerdir=%[1]s/home,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)))
	return func() {
		if err := unix.Unmount(merged, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// mountFuse mounts fuse-overlayfs as a sandbox does.
func mountFuse(t *testing.T, dir string) func() {
	t.Helper()
	merged := dir + "/merged"
	bin, err := exec.LookPath("fuse-overlayfs")
	testenv.Need(t, "fuse", err)
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	testenv.Need(t, "fuse", err)
	f.Close()
	options := fmt.Sprintf("lowerdir=%[1]s/home,upperdir=%[1]s/upper,workdir=%[1]s/work,squash_to_uid=%[2]d,squash_to_gid=%[3]d", dir, os.Getuid(), os.Getgid())
	cmd := exec.Command(bin, "-f", "-o", options, merged)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait(); close(done) }()
	t.Cleanup(func() { cmd.Process.Kill() }) // where it is still there
	var st unix.Statfs_t
	for range 1000 {
		if unix.Statfs(merged, &st) == nil && st.Type == unix.FUSE_SUPER_MAGIC {
			break
		}
		select {
		case err := <-done:
			testenv.Need(t, "fuse", fmt.Errorf("fuse-overlayfs ended: %v", err))
		case <-time.After(5 * time.Millisecond):
		}
	}
	if st.Type != unix.FUSE_SUPER_MAGIC {
		t.Fatal("fuse-overlayfs does not mount")
	}
	return func() {
		if err := unix.Unmount(merged, 0); err != nil {
			t.Fatal(err)
		}
		<-done
	}
}

func mkdirs(t testing.TB, dirs ...string) {
	t.Helper()
	for _, d := range dirs {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

const dirEnv = "COVE_TEST_DIR"

// againstOracle runs programs over homes in a mounted overlay, one for each seed, and compares what Walk finds, inside
// and outside of the user namespace, with the oracle.
func againstOracle(t *testing.T, uid int, mount mounter, b Backend, seeds, actions int) {
	if testing.Short() {
		seeds = (seeds + 9) / 10
	}
	if os.Getenv(dirEnv) == "" {
		t.Setenv(dirEnv, quickDir(t))
	}
	base := os.Getenv(dirEnv)
	if !inUserns(t, uid) {
		outside(t, base, uid, b, seeds)
		return
	}
	kinds := map[Kind]int{}
	for seed := range seeds {
		dir := fmt.Sprintf("%s/%d", base, seed)
		mkdirs(t, dir, dir+"/home", dir+"/upper", dir+"/work", dir+"/merged")
		newProgram(uint64(seed), dir+"/home", b).plant(40)
		for _, name := range []string{"user.a", "user.b"} {
			unix.Lremovexattr(dir+"/home", name) // an upper directory has none of the home's
		}
		unix.Lremovexattr(dir+"/home", "system.posix_acl_access")
		unix.Chmod(dir+"/home", 0o755)
		before := takeSnapshot(t, dir+"/home")
		unmount := mount(t, dir)
		p := newProgram(uint64(seed)+1e6, dir+"/merged", b)
		for range actions {
			p.act()
		}
		if b == Fuse { // what it shows now may be what it remembers
			unmount()
			unmount = mount(t, dir)
		}
		merged := takeSnapshot(t, dir+"/merged")
		unmount()
		unix.Chmod(dir+"/work/work", 0o700) // the kernel makes it with mode 000
		if after := takeSnapshot(t, dir+"/home"); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Fatalf("seed %d: the home was changed: this tests nothing", seed)
		}
		changes, ok := ask(t, merged, dir+"/upper", dir+"/home", b)
		if !ok {
			t.Fatalf("seed %d: what the program did:\n%s", seed, strings.Join(p.log, "\n"))
		}
		text, err := json.Marshal(changes)
		if err == nil {
			err = os.WriteFile(dir+"/changes.json", text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			kinds[c.Kind]++
		}
	}
	t.Logf("%d seeds: %v", seeds, kinds)
	for _, k := range []Kind{Added, Modified, Deleted, Retyped, Meta, Replaced} {
		if kinds[k] < 3 && seeds > 50 {
			t.Errorf("hardly a %s: this tests little", k)
		}
	}
}

// outside compares what Walk finds as the user that it is.
func outside(t *testing.T, base string, uid int, b Backend, seeds int) {
	t.Helper()
	for seed := range seeds {
		dir := fmt.Sprintf("%s/%d", base, seed)
		text, err := os.ReadFile(dir + "/changes.json")
		if err != nil {
			t.Fatal(err)
		}
		changes, err := walkAll(t, dir+"/upper", dir+"/home", Options{Backend: b})
		if err != nil {
			t.Errorf("seed %d, outside: %v", seed, err)
		}
		if uid == os.Getuid() {
			if got, _ := json.Marshal(changes); string(got) != string(text) {
				t.Errorf("seed %d, outside:\n%s\ninside:\n%s", seed, got, text)
			}
			continue
		}
		var inside []Change
		if err := json.Unmarshal(text, &inside); err != nil || show(inside) != show(changes) {
			t.Errorf("seed %d (%v), outside:\n%s\ninside:\n%s", seed, err, show(changes), show(inside))
		}
	}
}

func TestKernelAgainstOracle(t *testing.T) {
	againstOracle(t, os.Getuid(), mountKernel, Kernel, 150, 60)
}

func TestFuseAgainstOracle(t *testing.T) {
	againstOracle(t, 0, mountFuse, Fuse, 30, 60)
}

// Every pair of types, made by hand, as the kernel shows it.
func TestEveryPairAgainstOracle(t *testing.T) {
	for _, c := range []struct {
		name  string
		b     Backend
		mount mounter
	}{{"kernel", Kernel, mountKernel}, {"fuse", Fuse, mountFuse}} {
		t.Run(c.name, func(t *testing.T) {
			if !inUserns(t, 0) {
				return
			}
			dir := quickDir(t)
			mkdirs(t, dir+"/work", dir+"/merged")
			upper, home := twinIn(t, dir)
			plantPairs(t, upper, home)
			// Marks that no program can set, and what they mean.
			plant(t, home, "dir marks", "file marks/w x", "dir marks/x", "file marks/x/w x", "file marks/x/f x")
			plant(t, upper, "dir marks", `file marks/w ""`, "xattr marks/w user.overlay.whiteout=y", "dir marks/x", "xattr marks/x user.overlay.opaque=x",
				`file marks/x/w ""`, "xattr marks/x/w user.overlay.whiteout=y")
			unmount := c.mount(t, dir)
			merged := takeSnapshot(t, filepath.Join(dir, "merged"))
			unmount()
			unix.Chmod(dir+"/work/work", 0o700)
			ask(t, merged, upper, home, c.b)
		})
	}
}
