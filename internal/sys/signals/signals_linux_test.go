package signals_test

import (
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/sys/signals"
)

// What a process can catch it can catch once, so each case runs in one of its own.
func TestMain(m *testing.M) {
	if f := inChild[os.Getenv("SIGNALS_TEST")]; f != nil {
		f()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var inChild = map[string]func(){
	"order":   order,
	"storm":   storm,
	"release": release,
	"ignored": ignored,
}

func fail(why string) {
	os.Stderr.WriteString(why + "\n")
	os.Exit(1)
}

func catch(sigs ...syscall.Signal) *signals.Caught {
	c, err := signals.Catch(sigs...)
	if err != nil {
		fail(err.Error())
	}
	return c
}

func wait(c *signals.Caught) syscall.Signal {
	for {
		if sig, ok := c.Next(); ok {
			return sig
		}
		p := []unix.PollFd{{Fd: int32(c.FD()), Events: unix.POLLIN}}
		if n, err := unix.Poll(p, 5000); n == 0 && err == nil {
			fail("no signal came")
		}
	}
}

func order() {
	c := catch(unix.SIGTERM, unix.SIGINT, unix.SIGCONT)
	if _, ok := c.Next(); ok {
		fail("a signal out of nowhere")
	}
	var got []syscall.Signal
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGCONT, unix.SIGINT, unix.SIGTERM} {
		unix.Kill(os.Getpid(), sig)
		got = append(got, wait(c))
	}
	if !slices.Equal(got, []syscall.Signal{unix.SIGTERM, unix.SIGCONT, unix.SIGINT, unix.SIGTERM}) {
		fail("wrong order")
	}
}

// storm is signals while goroutines grow their stacks, and garbage is collected.
func storm() {
	c := catch(unix.SIGUSR1)
	var wg sync.WaitGroup
	stop := make(chan bool)
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					grow(200)
				}
			}
		})
	}
	for range 2000 {
		unix.Kill(os.Getpid(), unix.SIGUSR1)
		if wait(c) != unix.SIGUSR1 {
			fail("another signal came")
		}
	}
	// More than the pipe holds, while nobody reads, are lost and do no harm.
	for range 20000 {
		unix.Kill(os.Getpid(), unix.SIGUSR1)
	}
	close(stop)
	wg.Wait()
}

func grow(n int) (sum int) {
	var room [128]int
	if n > 0 {
		sum = grow(n-1) + len(append([]int(nil), room[:]...))
	}
	return sum + room[n%len(room)]
}

func release() {
	c := catch(unix.SIGTERM)
	c.Release()
	unix.Kill(os.Getpid(), unix.SIGTERM)
	time.Sleep(5 * time.Second)
	fail("SIGTERM did not end us")
}

func ignored() {
	c := catch(unix.SIGHUP, unix.SIGUSR2)
	unix.Kill(os.Getpid(), unix.SIGHUP)
	unix.Kill(os.Getpid(), unix.SIGUSR2)
	if wait(c) != unix.SIGUSR2 {
		fail("SIGHUP was ignored, and came all the same")
	}
}

func TestCatch(t *testing.T) {
	for _, test := range []struct {
		name string
		argv []string
		ends syscall.Signal
	}{
		{"order", nil, 0}, {"storm", nil, 0}, {"release", nil, unix.SIGTERM},
		{"ignored", []string{"sh", "-c", `trap "" HUP; exec "$0"`}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self)
			if test.argv != nil {
				cmd = exec.Command(test.argv[0], append(test.argv[1:], self)...)
			}
			cmd.Env = append(os.Environ(), "SIGNALS_TEST="+test.name)
			cmd.Stderr = os.Stderr
			err = cmd.Run()
			ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
			switch {
			case test.ends == 0 && err != nil:
				t.Fatal(err)
			case test.ends != 0 && (!ws.Signaled() || ws.Signal() != test.ends):
				t.Fatalf("ended with %v", err)
			}
		})
	}
}
