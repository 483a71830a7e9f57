package launch

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/mount"
	"cove/internal/stage"
	"cove/internal/sys/signals"
	"cove/internal/tty"
	"cove/sandbox"
	"cove/userns"
)

// supervisor stands by while a stage runs. All of it happens on one thread, which waits for whichever speaks first, the
// stage or a signal: each thread more that must be woken costs as much as five mounts.
type supervisor struct {
	plan *sandbox.Plan
	opt  Options
	proc *stage.Process
	tty  sandbox.TTY
	ran  bool // the program was executed

	ended bool // pid 1 was waited for

	fuse *fuseServer
	host sandbox.Host

	relay *tty.Relay

	lastTerm time.Time
	lastCont int64     // CLOCK_MONOTONIC, ns
	deadline time.Time // when all must have ended, as the terminal hung up
}

// supervise answers the stage until its program has ended, and returns how. Only where nobody can tell, it waits for the
// stage as well.
func (s *supervisor) supervise() (status syscall.WaitStatus, err error) {
	var failed error
	exited := false
	for !exited {
		s.await()
		m, fd, ok := s.proc.Hear()
		if !ok {
			break
		}
		switch m[0] {
		case stage.MsgFailed:
			if failed == nil {
				failed = s.failure(m[1], syscall.Errno(m[2]))
			}
		case stage.MsgExited:
			status, exited = syscall.WaitStatus(m[1]), true
		case stage.MsgStopped:
			s.suspend(int64(m[2])*1e9 + int64(m[3]))
		case stage.MsgMap:
			failed = s.answer(failed, userns.Install(s.proc.PID, s.plan.IDs))
		case stage.MsgDescriptor:
			failed = s.answer(failed, s.take(int(m[1]), fd))
		}
	}
	var last syscall.WaitStatus
	if !exited || s.fuse != nil || s.relay != nil {
		last, err = s.end()
	}
	s.ran = failed == nil
	if s.relay != nil {
		s.opt.Signals.Release() // it may wait for a terminal that is stalled, and who ends us then shall have it
		s.relay.Finish()
	}
	var served error
	if s.fuse != nil {
		served = s.fuse.stop()
	}
	switch {
	case failed != nil || served != nil:
		return status, errors.Join(failed, served)
	case err != nil:
		return status, fmt.Errorf("cannot wait for the sandbox: %w", err)
	case !exited && last.Signaled():
		// pid 1 was killed, by a second SIGTERM or from outside, and everything with it.
		return last, nil
	case !exited:
		return status, fmt.Errorf("the sandbox ended before its program did (status %d): this is a bug in cove", last)
	}
	return status, nil
}

// end waits until pid 1 is gone, and the sandbox's mounts with it.
func (s *supervisor) end() (last syscall.WaitStatus, err error) {
	if !s.ended {
		s.ended = true
		last, err = s.proc.Wait()
	}
	return last, err
}

// answer lets the stage go on, or ends it.
func (s *supervisor) answer(failed, err error) error {
	if err != nil && failed == nil {
		failed = err
	}
	if failed != nil {
		s.proc.Kill()
		return failed
	}
	s.proc.Tell(stage.MsgGo, 0)
	return nil
}

// take does what a descriptor of the stage is for.
func (s *supervisor) take(which, fd int) (err error) {
	if fd < 0 {
		return fmt.Errorf("cannot receive a descriptor from the stage: this is a bug in cove")
	}
	switch which {
	case stage.DescriptorFuse:
		s.fuse, err = serveFuse(s.proc, fd, s.plan, s.host)
	case stage.DescriptorTTY:
		unix.SetNonblock(fd, true)
		master := os.NewFile(uintptr(fd), "the sandbox's terminal")
		var in, out *os.File
		switch {
		case s.tty.Stdout:
			out = s.opt.Stdout
		case s.tty.Stderr:
			out = s.opt.Stderr
		}
		if s.tty.Stdin {
			in = s.opt.Stdin
		}
		relay, err := tty.Start(in, out, master)
		if err != nil {
			return err
		}
		s.relay = relay
	}
	return err
}

// failure turns {op, errno} into an error, with our own copy of the op.
func (s *supervisor) failure(op int32, errno syscall.Errno) error {
	switch {
	case op == stepNamespaces:
		return &CloneError{errno, cloneHint(errno)}
	case op == stage.OpExec:
		return &ExecError{s.plan.Command[0], errno}
	case op >= 0 && int(op) < len(s.plan.Ops):
		return &StepError{Op: &s.plan.Ops[op], Errno: errno}
	case op == stepWorkdir:
		step := "start in " + s.plan.Workdir
		if from := s.plan.WorkdirFrom; from != "" {
			step += " (" + from + ")"
		}
		return &StepError{Step: step, Errno: errno}
	case op >= stepStock && op < stepRule:
		return &StepError{Op: s.stocked(int(op - stepStock)), Errno: errno}
	}
	if err := ruleError(op, errno, s.plan.Landlock.Rules); err != nil {
		return err
	}
	return &StepError{Step: stepNames[op], Errno: errno}
}

// stocked is the op that the n-th of sandbox.Stock was made for.
func (s *supervisor) stocked(n int) *mount.Op {
	stock := sandbox.Stock()
	for i := range s.plan.Ops {
		if op := &s.plan.Ops[i]; op.Do == mount.Mount && op.Alike(&stock[n]) {
			return op
		}
	}
	return &stock[n]
}

// forwarded are the signals that reach the program. SIGTSTP comes only where the terminal is shared: otherwise package
// tty stops us by it.
var forwarded = []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGCONT}

// impatience is how soon a second SIGTERM must come to kill.
const impatience = 2 * time.Second

// Signals are those that come from CatchSignals on.
type Signals = signals.Caught

// CatchSignals begins to catch the signals that Run will pass on to the program. Those that are ignored, as by nohup(1),
// the program ignores too.
func CatchSignals() (*Signals, error) { return signals.Catch(forwarded...) }

// await waits until the stage has something to say, or is gone, and passes signals on meanwhile.
func (s *supervisor) await() {
	poll := []unix.PollFd{{Fd: int32(s.proc.FD()), Events: unix.POLLIN}, {Fd: int32(s.opt.Signals.FD()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(poll, s.patience())
		s.passOn()
		s.hurry()
		if err == nil && poll[0].Revents != 0 {
			return
		}
	}
}

// passOn forwards the signals that came.
func (s *supervisor) passOn() {
	for sig, ok := s.opt.Signals.Next(); ok; sig, ok = s.opt.Signals.Next() {
		s.forward(sig)
	}
}

func (s *supervisor) forward(sig syscall.Signal) {
	switch sig {
	case unix.SIGCONT:
		s.lastCont = monotonic()
		if s.relay != nil {
			s.relay.Resume()
		}
		return
	case unix.SIGWINCH:
		if s.relay != nil {
			s.relay.Resize() // the kernel tells the program
			return
		}
	case unix.SIGHUP:
		s.hangUp()
	case unix.SIGTERM:
		if time.Since(s.lastTerm) < impatience {
			s.proc.Kill()
			return
		}
		s.lastTerm = time.Now()
	}
	s.proc.Tell(stage.MsgSignal, int32(sig))
}

// suspend stops cove as the program has stopped, so that the shell sees it; and when the shell lets it go on, wakes
// the program.
func (s *supervisor) suspend(when int64) {
	if s.relay != nil {
		s.relay.Suspend()
	} else {
		// Where all of us were stopped, by SIGTTIN or SIGSTOP, we read this only after all was continued, and perhaps
		// before that was noted. Do not stop again then.
		time.Sleep(20 * time.Millisecond)
		s.passOn()
		if s.lastCont <= when {
			// To this thread, so that all of us are stopped before it returns.
			unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
		}
	}
	s.proc.Tell(stage.MsgContinue, 0)
}

// catchStop is for a program that shares our terminal and process group. Ctrl-Z stops it, but must not stop us before
// that is done: the shell, which knows only us, would go on while the program still reads the terminal.
func (s *supervisor) catchStop() {
	if s.plan.TTY.Mode == sandbox.TTYKeep {
		s.opt.Signals.Add(unix.SIGTSTP)
	}
}

func monotonic() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}
