package mount_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/mount"
	"cove/internal/stage"
)

// builders are the two ways. Every test runs both, so that yesterday's kernel is tested on today's.
var builders = map[string]func() mount.Builder{
	"new":     func() mount.Builder { return &mount.NewAPI{} },
	"classic": func() mount.Builder { return &mount.Classic{Below: below} },
}

func below(p string) []mount.Submount { return []mount.Submount{{Path: p, Flags: unix.MS_RELATIME}} }

// order puts the pivot where the builder wants it.
func order(b mount.Builder, ops []mount.Op) []mount.Op {
	pivot := mount.Op{Do: mount.Pivot}
	if _, classic := b.(*mount.Classic); classic {
		return append(ops, pivot)
	}
	return append([]mount.Op{ops[0], pivot}, ops[1:]...)
}

// system is a root that a shell runs in.
func system() []mount.Op {
	ops := []mount.Op{mount.New("tmpfs", "/", "nosuid", "nodev", "mode=755")}
	for _, d := range []string{"/usr", "/etc"} {
		ops = append(ops, mount.Dir(d), mount.Bind(d, d).With("ro", "nosuid", "nodev"))
	}
	for _, l := range []string{"bin", "lib", "lib64"} {
		if text, err := os.Readlink("/" + l); err == nil {
			ops = append(ops, mount.Link(text, "/"+l))
		}
	}
	return append(ops, mount.Dir("/tmp"), mount.New("tmpfs", "/tmp", "nosuid", "nodev", "mode=1777"),
		mount.Dir("/proc"), mount.New("proc", "/proc", "nosuid", "nodev", "noexec"))
}

// run performs ops in a new sandbox and runs a shell script in it. It returns what the script printed, its exit
// status, and the op and errno of what failed before it.
func run(t *testing.T, b mount.Builder, ops []mount.Op, script string) (out string, code int, op int, errno syscall.Errno) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := stage.New(unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range [][2]string{{"setgroups", "deny"}, {"uid_map", fmt.Sprintf("%d %[1]d 1", os.Getuid())}, {"gid_map", fmt.Sprintf("%d %[1]d 1", os.Getgid())}} {
		s.Setup.WriteFile(-9, "/proc/self/"+f[0], f[1])
	}
	s.Setup.Call(-9, unix.SYS_DUP3, int(w.Fd()), 1, 0)
	s.Setup.Call(-9, unix.SYS_DUP3, int(w.Fd()), 2, 0)
	s.Setup.CloseInherited(-9)
	b.Gather(&s.Setup, ops)
	b.Build(&s.Setup, ops)
	s.Program.CloseOnExec(-9, 3)
	s.Program.Unblock(-9)
	if err := s.Exec([]string{"/bin/sh"}, []string{"sh", "-c", script}, []string{"PATH=/usr/bin:/bin"}); err != nil {
		t.Fatal(err)
	}
	p, err := s.Start()
	if err != nil {
		t.Fatalf("cannot start: %v", err)
	}
	w.Close()
	for {
		m, _, ok := p.Hear()
		if !ok {
			break
		}
		if m[0] == stage.MsgFailed {
			op, errno = int(m[1]), syscall.Errno(m[2])
		}
	}
	var buf strings.Builder
	chunk := make([]byte, 4096)
	for {
		n, err := r.Read(chunk)
		buf.Write(chunk[:n])
		if err != nil {
			break
		}
	}
	ws, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return buf.String(), ws.ExitStatus(), op, errno
}

// good is run where nothing may fail.
func good(t *testing.T, b mount.Builder, ops []mount.Op, script string) string {
	t.Helper()
	ops = order(b, ops)
	out, code, op, errno := run(t, b, ops, script)
	if errno != 0 {
		where := fmt.Sprint(op)
		if op >= 0 && op < len(ops) {
			where = ops[op].String()
		}
		t.Fatalf("cannot %s: %v", where, errno)
	}
	if code != 0 {
		t.Fatalf("the script ended with %d:\n%s", code, out)
	}
	return out
}

func each(t *testing.T, f func(t *testing.T, b mount.Builder)) {
	for name, make := range builders {
		t.Run(name, func(t *testing.T) { f(t, make()) })
	}
}

func TestRoot(t *testing.T) {
	each(t, func(t *testing.T, b mount.Builder) {
		ops := append(system(), mount.Op{Do: mount.Seal, Target: "/"})
		out := good(t, b, ops, `ls /; ! touch /x && ! touch /usr/x && touch /tmp/x && echo sealed
			grep -c . /proc/self/mountinfo; echo pid $$`)
		for _, want := range []string{"sealed", "pid 2", "\n5\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		for _, never := range []string{"home", "root", "mnt"} {
			if strings.Contains(out, never) {
				t.Errorf("%s is there:\n%s", never, out)
			}
		}
	})
}

func TestOverlay(t *testing.T) {
	each(t, func(t *testing.T, b mount.Builder) {
		// Every character that breaks somebody's option string, and more than 255 bytes.
		dir := filepath.Join(t.TempDir(), "a:b,c\\d \"e'\nü", strings.Repeat("long", 50), strings.Repeat("er", 50))
		home, upper, work := filepath.Join(dir, "home"), filepath.Join(dir, "upper"), filepath.Join(dir, "work")
		for _, d := range []string{home, upper, work, filepath.Join(home, "d")} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		os.WriteFile(filepath.Join(home, "f"), []byte("real\n"), 0o644)
		t.Cleanup(func() { // the kernel leaves directories of mode 000 there
			for _, d := range []string{"work", "work/incompat", "work/incompat/volatile"} {
				os.Chmod(filepath.Join(work, d), 0o700)
			}
		})
		ops := append(system(), mount.Dir("/h"), mount.Op{Do: mount.Overlay, Target: "/h", Options: []string{"nosuid", "nodev"},
			Layers: &mount.Layers{Lower: []string{home}, Upper: upper, Work: work, Volatile: true}})
		out := good(t, b, ops, `cd /h && cat f && echo changed > f && rm -r d && mkdir d && cat f && grep overlay /proc/self/mountinfo`)
		if !strings.Contains(out, "real\nchanged\n") || !strings.Contains(out, "userxattr") || strings.Contains(out, dir[:12]) {
			t.Errorf("got\n%s", out)
		}
		if real, _ := os.ReadFile(filepath.Join(home, "f")); string(real) != "real\n" {
			t.Errorf("the real file became %q", real)
		}
		if copied, _ := os.ReadFile(filepath.Join(upper, "f")); string(copied) != "changed\n" {
			t.Errorf("the copy is %q", copied)
		}
	})
}

// front is a layer before dir, in an overlay at /h.
func front(t *testing.T, dir string) []mount.Op {
	t.Helper()
	for _, d := range []string{"home/d", "home/s", "upper", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "work/work"), 0o700) })
	return append(system(), mount.Dir("/h"), mount.Op{Do: mount.Overlay, Target: "/h", Options: []string{"nosuid", "nodev"},
		Layers: &mount.Layers{Lower: []string{filepath.Join(dir, "home")}, Upper: filepath.Join(dir, "upper"), Work: filepath.Join(dir, "work"),
			Front: []mount.Entry{{Name: "d", Kind: mount.EntryDir}, {Name: "d/f", Kind: mount.EntryFile}, {Name: "s", Kind: mount.Hide}}}})
}

func TestFront(t *testing.T) {
	each(t, func(t *testing.T, b mount.Builder) {
		out := good(t, b, front(t, t.TempDir()), `cd /h && ls && ls d && mkdir s && echo made`)
		if out != "d\nf\nmade\n" {
			t.Errorf("got\n%s", out)
		}
	})
}

// Nothing of the host's tree is left, neither in mountinfo nor on top of the root, where /.. leads.
func TestNothingOfTheHostIsLeft(t *testing.T) {
	each(t, func(t *testing.T, b mount.Builder) {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, "canary"), nil, 0o644)
		ops := front(t, dir)
		out := good(t, b, ops, fmt.Sprintf(`test ! -e /..%s/canary && ls -a /.. /../..`, dir))
		for _, never := range []string{"home", "root", "mnt", "sys", "boot"} {
			if strings.Contains(out, never+"\n") {
				t.Errorf("%s is there:\n%s", never, out)
			}
		}
		points := good(t, b, front(t, t.TempDir()), `cut -d' ' -f5 /proc/self/mountinfo | sort | tr '\n' ' '`)
		if want := "/ /etc /h /proc /tmp /usr "; points != want {
			t.Errorf("mounted are %s, not %s", points, want)
		}
	})
}

// Where something is stacked on the host's own root, the old root would survive the pivot. It must not come to that.
func TestStackedHostRoot(t *testing.T) {
	each(t, func(t *testing.T, b mount.Builder) {
		ops := order(b, system())
		stacked := stackedBuilder{b}
		out, code, op, errno := run(t, stacked, ops, "ls /..")
		if errno != unix.EXDEV || op < 0 || ops[op].Do != mount.Pivot {
			t.Errorf("op %d, %v, status %d, printed\n%s", op, errno, code, out)
		}
	})
}

// stackedBuilder mounts something on top of / first.
type stackedBuilder struct{ mount.Builder }

func (b stackedBuilder) Gather(l *stage.List, ops []mount.Op) {
	l.Call(0, unix.SYS_MOUNT, nil, "/", nil, unix.MS_REC|unix.MS_PRIVATE, nil)
	l.Call(0, unix.SYS_MOUNT, "tmpfs", "/", "tmpfs", 0, nil)
	b.Builder.Gather(l, ops)
}

func TestMaskProtectPin(t *testing.T) {
	each(t, func(t *testing.T, b mount.Builder) {
		dir := t.TempDir()
		os.MkdirAll(filepath.Join(dir, "a/secret"), 0o755)
		os.WriteFile(filepath.Join(dir, "a/secret/s"), []byte("S3CRET"), 0o644)
		os.WriteFile(filepath.Join(dir, "a/key"), []byte("S3CRET"), 0o644)
		ops := append(system(), mount.Dir("/w"), mount.Bind(dir, "/w").With("nosuid", "nodev"),
			mount.Op{Do: mount.Pin, Target: "/w/a"},
			mount.Op{Do: mount.Mask, Target: "/w/a/secret", Type: "dir"},
			mount.Op{Do: mount.Mask, Target: "/w/a/key", Type: "file"},
			mount.Op{Do: mount.Protect, Target: "/proc/sys"})
		out := good(t, b, ops, `grep -r S3CRET /w && exit 1; mv /w/a /w/b && exit 2; rmdir /w/a/secret && exit 3
			touch /w/a/secret/x && exit 4; grep ' /proc/sys ro' /proc/self/mountinfo || exit 5; touch /w/new && echo done`)
		if !strings.HasSuffix(out, "done\n") {
			t.Errorf("got\n%s", out)
		}
		if _, err := os.Stat(filepath.Join(dir, "new")); err != nil {
			t.Error("a writable bind did not write through")
		}
	})
}

// CVE-2026-87766: a setup step below an attacker-writable bind, whose parent is a link to where the host's tree
// might be found, must not make or mount anything there.
func TestTargetsThroughLinks(t *testing.T) {
	host := t.TempDir()
	for _, text := range []string{"/oldroot" + host, host, "/proc/self/root" + host, "/proc/1/root" + host, "../../../../../.." + host,
		"/proc/self/fd/3", "/newroot", "/proc/self/cwd" + host, "/usr/../" + host} {
		each(t, func(t *testing.T, b mount.Builder) {
			evil := t.TempDir()
			if err := os.Symlink(text, filepath.Join(evil, "link")); err != nil {
				t.Fatal(err)
			}
			base := append(system(), mount.Dir("/d"), mount.Bind(evil, "/d"))
			for _, step := range []mount.Op{
				mount.Dir("/d/link/made"),
				{Do: mount.File, Target: "/d/link/made"},
				mount.Link("x", "/d/link/made"),
				mount.Bind("/etc", "/d/link"),
				mount.New("tmpfs", "/d/link"),
				{Do: mount.Mask, Target: "/d/link", Type: "dir"},
				{Do: mount.Pin, Target: "/d/link"},
			} {
				ops := order(b, append(append([]mount.Op{}, base...), step))
				_, _, op, errno := run(t, b, ops, "echo the program ran")
				if errno == 0 || op < 0 || ops[op].String() != step.String() {
					t.Errorf("%s over a link to %s: errno %v in op %d", step, text, errno, op)
				}
				if left, _ := os.ReadDir(host); len(left) > 0 {
					t.Fatalf("%s over a link to %s left %s on the host", step, text, left[0].Name())
				}
			}
		})
	}
}

// A source that became a link since it was looked up is not followed.
func TestSourceBecameLink(t *testing.T) {
	each(t, func(t *testing.T, b mount.Builder) {
		dir := t.TempDir()
		os.Symlink("/etc", filepath.Join(dir, "link"))
		for _, source := range []string{filepath.Join(dir, "link"), filepath.Join(dir, "link/ssl")} {
			step := mount.Bind(source, "/m")
			ops := order(b, append(system(), mount.Dir("/m"), step))
			if _, _, op, errno := run(t, b, ops, "true"); errno != unix.ELOOP || op < 0 || ops[op].String() != step.String() {
				t.Errorf("%s: op %d, %v", source, op, errno)
			}
		}
	})
}
