package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// coveIn is cove with these arguments, started in a home of its own.
func coveIn(home string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Args = append([]string{"cove"}, args...) // TestMain is cove then
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=xterm"}
	return cmd
}

// mark is a word that is on no other command line.
func mark(way, name string) string { return fmt.Sprintf("mark-%d-%s-%s", os.Getpid(), way, name) }

// Signals that are sent to cove reach the program once: to cove alone (kill), to its whole process group, as a shell
// and a terminal do it, and to everybody whose name or command line has "cove" in it (pkill).
func TestSignalsReachTheProgramOnce(t *testing.T) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT,
		"TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "WINCH": syscall.SIGWINCH}
	send := map[string]func(pid int, name string, sig syscall.Signal) error{
		"cove":  func(pid int, _ string, sig syscall.Signal) error { return syscall.Kill(pid, sig) },
		"group": func(pid int, _ string, sig syscall.Signal) error { return syscall.Kill(-pid, sig) },
		"pkill": func(pid int, name string, _ syscall.Signal) error {
			return exec.Command("pkill", "-"+name, "-f", "cove run --hostname "+mark("pkill", name)).Run()
		},
	}
	for way, send := range send {
		for name, sig := range signals {
			t.Run(way+"/"+name, func(t *testing.T) {
				t.Parallel()
				script := fmt.Sprintf(`n=0; trap 'n=$((n+1))' %s; echo ready; for i in 1 2 3 4 5 6 7 8 9 10; do read x; sleep 0.05; done; echo $n`, name)
				cmd := coveIn(t.TempDir(), "run", "--hostname", mark(way, name), "--home", "tmpfs", "--", "sh", "-c", script)
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
				m := join(t, cmd)
				in, lines := m.in, m.out
				if !lines.Scan() || lines.Text() != "ready" {
					t.Fatalf("printed %q", lines.Text())
				}
				if err := send(cmd.Process.Pid, name, sig); err != nil {
					t.Fatal(err)
				}
				// Long enough for a second copy to come by the way of cove.
				time.Sleep(300 * time.Millisecond)
				fmt.Fprint(in, strings.Repeat("\n", 10))
				in.Close()
				want := "1"
				if signal.Ignored(sig) { // as under nohup: what is ignored here is ignored inside
					want = "0"
				}
				if !lines.Scan() || lines.Text() != want {
					t.Errorf("it came %q times", lines.Text())
				}
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
