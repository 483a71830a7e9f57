package stage_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cove/internal/stage"
)

// script is a sandbox with nothing but a pid namespace, in which a shell runs.
func script(t testing.TB, sh string) *stage.Script {
	t.Helper()
	s, err := stage.New(unix.CLONE_NEWUSER | unix.CLONE_NEWPID)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range [][2]string{{"setgroups", "deny"}, {"uid_map", fmt.Sprintf("%d %[1]d 1", os.Getuid())}, {"gid_map", fmt.Sprintf("%d %[1]d 1", os.Getgid())}} {
		s.Setup.WriteFile(1, "/proc/self/"+f[0], f[1])
	}
	s.Program.CloseOnExec(2, 3)
	s.Program.Unblock(2)
	if err := s.Exec([]string{"/bin/sh"}, []string{"sh", "-c", sh}, []string{"PATH=/usr/bin:/bin"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// run starts s, lets during speak to it, and returns the program's wait status and the failure told, if any.
func run(t testing.TB, s *stage.Script, during func(p *stage.Process)) (ws syscall.WaitStatus, op int32, errno syscall.Errno) {
	t.Helper()
	p, err := s.Start()
	if err != nil {
		t.Fatalf("cannot start: %v", err)
	}
	if during != nil {
		go during(p)
	}
	for {
		m, _, ok := p.Hear()
		if !ok {
			break
		}
		switch m[0] {
		case stage.MsgExited:
			ws = syscall.WaitStatus(m[1])
		case stage.MsgFailed:
			op, errno = m[1], syscall.Errno(m[2])
		case stage.MsgStopped:
			p.Tell(stage.MsgContinue, 0)
		}
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	return ws, op, errno
}

func TestExitStatus(t *testing.T) {
	for _, test := range []struct {
		sh   string
		code int
		sig  syscall.Signal
	}{
		{"exit 0", 0, 0}, {"exit 7", 7, 0}, {"exit 255", 255, 0},
		{"kill -TERM $$", 0, unix.SIGTERM}, {"kill -KILL $$", 0, unix.SIGKILL}, {"kill -SEGV $$", 0, unix.SIGSEGV},
		{"kill -STOP $$; exit 5", 5, 0},
		{"(sleep 100 &) ; exit 3", 3, 0}, // what is left behind is killed, and is not waited for
	} {
		ws, _, errno := run(t, script(t, test.sh), nil)
		if errno != 0 || test.sig != 0 && (!ws.Signaled() || ws.Signal() != test.sig) || test.sig == 0 && (!ws.Exited() || ws.ExitStatus() != test.code) {
			t.Errorf("%s: status %x, errno %v", test.sh, ws, errno)
		}
	}
}

func TestFailureNamesItsOp(t *testing.T) {
	s := script(t, "echo the program ran")
	s.Setup.Call(42, unix.SYS_CHDIR, "/nowhere/at/all")
	if _, op, errno := run(t, s, nil); op != 42 || errno != unix.ENOENT {
		t.Errorf("setup: op %d, %v", op, errno)
	}
	s = script(t, "echo the program ran")
	s.Program.Call(43, unix.SYS_CHDIR, "/etc/passwd")
	if _, op, errno := run(t, s, nil); op != 43 || errno != unix.ENOTDIR {
		t.Errorf("program: op %d, %v", op, errno)
	}
	s = script(t, "exit 4")
	s.Setup.Call(44, unix.SYS_CHDIR, "/nowhere").Tolerate(unix.ENOENT)
	if ws, _, errno := run(t, s, nil); errno != 0 || ws.ExitStatus() != 4 {
		t.Errorf("a tolerated errno: %v, %v", ws, errno)
	}
}

func TestExecErrors(t *testing.T) {
	dir := t.TempDir()
	plain, noInterpreter := filepath.Join(dir, "plain"), filepath.Join(dir, "script")
	os.WriteFile(plain, []byte("x"), 0o644)
	os.WriteFile(noInterpreter, []byte("no interpreter line\n"), 0o755)
	for _, test := range []struct {
		paths []string
		want  syscall.Errno
	}{
		{[]string{"/nowhere"}, unix.ENOENT},
		{[]string{"/etc/passwd/x"}, unix.ENOENT},
		{[]string{plain}, unix.EACCES},
		{[]string{plain, "/nowhere"}, unix.EACCES},
		{[]string{"/"}, unix.EACCES},
		{[]string{noInterpreter}, unix.ENOEXEC},
	} {
		if _, op, errno := run(t, execOnly(t, test.paths), nil); op != stage.OpExec || errno != test.want {
			t.Errorf("%v: op %d, %v; want %v", test.paths, op, errno, test.want)
		}
	}
}

func execOnly(t *testing.T, paths []string) *stage.Script {
	s, err := stage.New(unix.CLONE_NEWUSER | unix.CLONE_NEWPID)
	if err != nil {
		t.Fatal(err)
	}
	s.Program.CloseOnExec(2, 3)
	if err := s.Exec(paths, []string{"x"}, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// What the program must not inherit, and what it must get back.
func TestProgramIsClean(t *testing.T) {
	f, err := os.Open("/etc/passwd") // Go opens with O_CLOEXEC; this one shall leak
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	leaked, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked)
	out := filepath.Join(t.TempDir(), "out")
	sh := fmt.Sprintf(`{ echo fds $(ls /proc/self/fd | wc -l); grep -E 'SigBlk|SigIgn' /proc/self/status; } > %s`, out)
	if ws, _, errno := run(t, script(t, sh), nil); ws != 0 || errno != 0 {
		t.Fatal(ws, errno)
	}
	text, _ := os.ReadFile(out)
	// ls itself holds 0, 1, 2 and the directory it reads.
	if !strings.Contains(string(text), "fds 4\n") || !strings.Contains(string(text), "SigBlk:\t0000000000000000") {
		t.Errorf("got\n%s", text)
	}
}

func TestSignalsReachTheProgram(t *testing.T) {
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH} {
		os.Remove(ready)
		sh := fmt.Sprintf("trap 'exit 9' %d; : > %s; while :; do sleep 0.01; done", sig, ready)
		ws, _, errno := run(t, script(t, sh), func(p *stage.Process) {
			await(ready)
			p.Tell(stage.MsgSignal, int32(sig))
		})
		if errno != 0 || ws.ExitStatus() != 9 {
			t.Errorf("%v: %v %v", sig, ws, errno)
		}
	}
}

func await(path string) {
	for range 500 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// The program cannot end its sandbox's init, nor read it.
func TestInitIsOutOfReach(t *testing.T) {
	sh := `for s in TERM INT HUP KILL STOP USR1 SEGV; do kill -$s 1; done; sleep 0.05
		mount -t proc proc /proc 2>/dev/null # as root of the namespace it might be tried
		cat /proc/1/environ 2>/dev/null && exit 10
		exit 6`
	if ws, _, _ := run(t, script(t, sh), nil); ws.ExitStatus() != 6 {
		t.Errorf("status %x", ws)
	}
}

// What the supervisor was called with can be read neither inside nor outside.
func TestInitHasATitleOfItsOwn(t *testing.T) {
	got := ""
	ready := filepath.Join(t.TempDir(), "ready")
	sh := ": > " + ready + "; while [ -e " + ready + " ]; do sleep 0.01; done"
	run(t, script(t, sh), func(p *stage.Process) {
		await(ready)
		for _, f := range []string{"cmdline", "comm"} {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.PID, f))
			got += strings.Trim(string(text), "\x00\n") + " "
		}
		os.Remove(ready)
	})
	if got != "box-init box-init " {
		t.Errorf("pid 1 is called %q", got)
	}
}

// Orphans are reaped: none stays a zombie.
func TestOrphansAreReaped(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	sh := fmt.Sprintf(`for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.01 & ) ; done; sleep 0.3
		for p in /proc/[0-9]*; do [ "$(cut -d' ' -f4 $p/stat 2>/dev/null)" = "$PPID" ] && echo; done
		ps -eo pid,ppid,stat,comm 2>/dev/null | awk '$3 ~ /Z/ && $4 == "sleep"' > %s; exit 0`, out)
	if ws, _, _ := run(t, script(t, sh), nil); !ws.Exited() {
		t.Fatalf("status %x", ws)
	}
	if text, _ := os.ReadFile(out); strings.Contains(string(text), "sleep") {
		t.Errorf("zombies:\n%s", text)
	}
}

// A helper process of this test binary: starts a sandbox and is then killed.
func TestMain(m *testing.M) {
	if mark := os.Getenv("STAGE_TEST_SUPERVISOR"); mark != "" {
		var t testing.T
		p, err := script(&t, ": > "+mark+"; sleep 1000 & sleep 1000").Start()
		if err != nil {
			os.Exit(1)
		}
		fmt.Println(p.PID)
		p.Hear()
		os.Exit(2) // the sandbox ended by itself
	}
	os.Exit(m.Run())
}

// Whatever happens to the supervisor, nothing of the sandbox outlives it.
func TestDiesWithItsSupervisor(t *testing.T) {
	for range 5 {
		mark := filepath.Join(t.TempDir(), "mark")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STAGE_TEST_SUPERVISOR="+mark)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 32)
		n, err := out.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
		if err != nil {
			t.Fatal(err)
		}
		await(mark)
		if _, err := os.Stat(mark); err != nil {
			t.Fatal("the sandbox did not start")
		}
		cmd.Process.Kill()
		cmd.Wait()
		gone := false
		for range 200 {
			if err := unix.Kill(pid, 0); err == unix.ESRCH {
				gone = true
				break
			}
			if text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); strings.Contains(string(text), ") Z ") {
				gone = true // its new parent has not reaped it yet
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if !gone {
			t.Fatalf("pid 1 of the sandbox (%d) lives on", pid)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		run(b, script(b, ":"), nil)
	}
}

// Finish tells how a stage ended that only wants its maps.
func TestFinish(t *testing.T) {
	refused := errors.New("refused")
	for _, test := range []struct {
		name    string
		install error
		dir     string // that the stage goes to
		want    string
	}{
		{"well", nil, "/", "0 <nil> <nil>"},
		{"failed", nil, "/nowhere", "1 &{7 no such file or directory} <nil>"},
		{"refused", refused, "/", "-1 <nil> refused"},
	} {
		s, err := stage.New(unix.CLONE_NEWUSER)
		if err != nil {
			t.Fatal(err)
		}
		s.Direct = true
		s.Setup.Say(6, stage.MsgMap)
		s.Setup.Wait(6)
		s.Setup.Call(7, unix.SYS_CHDIR, test.dir)
		s.Setup.Call(8, unix.SYS_EXIT_GROUP, 0)
		p, err := s.Start()
		if err != nil {
			t.Fatal(err)
		}
		status, failed, err := p.Finish(func() error { return test.install })
		if got := fmt.Sprint(min(status.ExitStatus(), 1), " ", failed, " ", err); got != test.want {
			t.Errorf("%s: %s, not %s", test.name, got, test.want)
		}
	}
}

// A stage that fails before it reads what it was told is heard all the same.
func TestFailureIsHeardThoughNobodyListened(t *testing.T) {
	s, err := stage.New(unix.CLONE_NEWUSER)
	if err != nil {
		t.Fatal(err)
	}
	s.Direct = true
	pause := stage.Put(&s.Setup, unix.Timespec{Nsec: 50e6})
	s.Setup.Call(6, unix.SYS_NANOSLEEP, unsafe.Pointer(pause), nil)
	s.Setup.Call(7, unix.SYS_CHDIR, "/nowhere")
	p, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Tell(stage.MsgGo, 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // until it is gone
	if _, failed, err := p.Finish(nil); err != nil || failed == nil || failed.Op != 7 || failed.Errno != unix.ENOENT {
		t.Errorf("%+v, %v", failed, err)
	}
}
