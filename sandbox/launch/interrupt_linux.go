package launch

import (
	"golang.org/x/sys/unix"

	"cove/internal/sys/signals"
)

// OnInterrupt calls stop when somebody tells cove to end, by Ctrl-C or otherwise, instead of ending it. From when off
// returns, it is not called any more; but cove does not end by itself then, either.
func OnInterrupt(stop func()) (off func()) {
	c, err := signals.Catch(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	if err != nil {
		return func() {} // then it ends
	}
	done := make(chan bool)
	go func() {
		fds := []unix.PollFd{{Fd: int32(c.FD()), Events: unix.POLLIN}}
		for {
			unix.Poll(fds, -1)
			select {
			case <-done:
				return
			default:
			}
			if _, ok := c.Next(); ok {
				stop()
			}
		}
	}()
	return func() { close(done) }
}
