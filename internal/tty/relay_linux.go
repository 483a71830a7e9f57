package tty

import (
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// stopTime is how long a stop may take to reach us. Signals to a process are delivered by whichever of its
	// threads the kernel picks, so kill(2) may return first.
	stopTime = 200 * time.Millisecond
	// stallTime is how long the terminal may refuse the last output before it gets its modes back all the same.
	stallTime = time.Second
)

// A Relay carries bytes between the caller's terminal and a pseudo-terminal. Resize and Resume may be called from
// any goroutine.
//
//	            Suspend
//	          ┌───────────────► stopping    modes given back, not reading
//	Start ──► running ◄───────────────┘     continued
//	          │  held ◄──► not held         the shell gives us the terminal, and takes it: Resume, input
//	          └───────────────► over        not reading; modes given back after the last output
//	            Finish
type Relay struct {
	in, out *os.File
	master  *os.File
	conn    syscall.RawConn // of master

	mu    sync.Mutex // held also while reading in
	state state
	claim claim
	wake  int // eventfd(2) that ends the input goroutine's poll(2)

	printing sync.Mutex // held from reading master until out has it, so that there is one order
	buf      []byte
	mute     bool // nobody sees what is printed

	finish                sync.Once
	inputDone, outputDone chan struct{}
}

type state int

const (
	running state = iota
	stopping
	over
)

// Start gives the terminal of master the size and the modes of the caller's, makes the caller's raw if we are in the
// foreground, and begins to relay. It reads from in and prints to out; either may be nil: then nothing is typed, or
// what is printed is dropped. master must be in non-blocking mode before os.NewFile; it belongs to the Relay, unless
// there is an error.
//
// In the background the modes are the shell's line editor's, so that only IUTF8 is copied.
func Start(in, out *os.File, master *os.File) (*Relay, error) {
	r := &Relay{in: in, out: out, master: master, claim: claim{fd: -1}, buf: make([]byte, 64<<10), mute: out == nil,
		inputDone: make(chan struct{}), outputDone: make(chan struct{})}
	var err error
	if r.conn, err = master.SyscallConn(); err != nil {
		return nil, err
	}
	if err := master.SetDeadline(time.Time{}); err != nil { // it is not in the poller: Finish could not end a write
		return nil, failed("cannot relay", master, err)
	}
	if err := r.dress(); err != nil {
		return nil, err
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, failed("cannot relay", master, err)
	}
	if in != nil {
		r.claim.fd = int(in.Fd())
		if err := r.claim.take(); err != nil {
			unix.Close(r.wake)
			return nil, failed("cannot set the modes of", in, err)
		}
		go r.input()
	} else {
		close(r.inputDone)
	}
	go r.output()
	return r, nil
}

// dress makes the terminal inside look like the caller's.
func (r *Relay) dress() error {
	like := r.model()
	if like == nil {
		return nil
	}
	modes, err := unix.IoctlGetTermios(int(like.Fd()), unix.TCGETS)
	if err != nil {
		return failed("cannot read the modes of", like, err)
	}
	r.conn.Control(func(fd uintptr) {
		if !ours(int(like.Fd())) {
			var plain *unix.Termios
			if plain, err = unix.IoctlGetTermios(int(fd), unix.TCGETS); err != nil {
				return
			}
			plain.Iflag |= modes.Iflag & unix.IUTF8
			modes = plain
		}
		// On a master it acts on the slave: tty_mode_ioctl in the kernel; ioctl_tty(2) does not say so.
		err = unix.IoctlSetTermios(int(fd), unix.TCSETS, modes)
	})
	if err != nil {
		return failed("cannot set the modes of", r.master, err)
	}
	r.Resize()
	return nil
}

// model is the caller's terminal.
func (r *Relay) model() *os.File {
	if r.in != nil {
		return r.in
	}
	return r.out
}

// Resize gives the terminal inside the size that the caller's has now; the kernel tells the program by SIGWINCH, if it
// is a new one.
func (r *Relay) Resize() {
	like := r.model()
	if like == nil {
		return
	}
	size, err := unix.IoctlGetWinsize(int(like.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return // it has hung up
	}
	r.conn.Control(func(fd uintptr) { unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) })
}

// Suspend does outside what has happened inside, where the program has stopped: it prints what is left, gives the
// terminal back and stops our process group, so that the shell sees its job stopped. It returns when we have been
// continued.
//
// The group gets SIGTSTP, as from Ctrl-Z without a sandbox: a script that started us must stop with us, or its shell
// would wait on. And where no shell could ever continue us (an orphaned process group: xterm -e, ssh -t), the kernel
// drops SIGTSTP (signal(7), setpgid(2)), and the program goes on as it would without us; SIGSTOP would be for good.
func (r *Relay) Suspend() {
	r.drain()
	r.mu.Lock()
	if r.state != running {
		r.mu.Unlock()
		return
	}
	r.state = stopping
	r.claim.release()
	r.mu.Unlock()

	unix.Kill(0, unix.SIGTSTP)
	time.Sleep(stopTime)

	r.mu.Lock()
	if r.state == stopping {
		r.state = running
	}
	r.mu.Unlock()
	r.Resume()
}

// Resume takes the terminal back after SIGCONT, if we are in the foreground. In the background it leaves it alone. It
// does no harm at any time.
func (r *Relay) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != running { // stopping: a SIGCONT from before the stop; Suspend will call us
		return
	}
	r.resume()
	r.rouse()
}

func (r *Relay) resume() {
	r.claim.take()
	if r.claim.held {
		r.Resize() // SIGWINCH goes to the foreground only
	}
}

// rouse makes the input goroutine look at the state.
func (r *Relay) rouse() {
	unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // any count will do in either byte order
}

// Finish prints what is left, gives the terminal back and closes master. Everything inside must have ended: it does
// not wait for what somebody else who still has the slave may print. It waits for the caller's terminal as a program's
// own write(2) would, but gives the modes back after a second, so that keys work again.
func (r *Relay) Finish() {
	r.finish.Do(func() {
		r.mu.Lock()
		r.state = over
		r.rouse()
		r.mu.Unlock()
		r.master.SetWriteDeadline(time.Unix(1, 0)) // what the program did not read
		<-r.inputDone

		release := func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.claim.release()
		}
		stall := time.AfterFunc(stallTime, release)
		r.drain()
		r.master.Close()
		<-r.outputDone
		stall.Stop()
		release()
		r.mu.Lock()
		unix.Close(r.wake)
		r.mu.Unlock()
	})
}

func failed(what string, f *os.File, err error) error {
	return &fs.PathError{Op: what, Path: f.Name(), Err: err}
}
