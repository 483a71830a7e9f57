package tty

import "golang.org/x/sys/unix"

// pending is more than the kernel holds of what was printed and not yet read: 8 KiB on the way (pty_common_install)
// and 4 KiB in the line discipline (N_TTY_BUF_SIZE).
const pending = 64 << 10

// output copies what is printed until no slave is open or Finish closes master.
func (r *Relay) output() {
	defer close(r.outputDone)
	var err error
	step := func(fd uintptr) bool {
		_, err = r.print(int(fd))
		return err != unix.EAGAIN
	}
	for err == nil {
		if r.conn.Read(step) != nil {
			return
		}
	}
}

// drain prints what has been written up to now, and needs no clock for it: before read(2) says EAGAIN, it has fetched
// the bytes that were on their way (n_tty_read calls tty_buffer_flush_work). The bound is for somebody who goes on
// writing.
func (r *Relay) drain() {
	r.conn.Control(func(fd uintptr) {
		for left := pending; left > 0; {
			n, err := r.print(int(fd))
			if err != nil {
				return
			}
			left -= n
		}
	})
}

// print copies once. EAGAIN: there is nothing now. EIO: nor will there be.
func (r *Relay) print(master int) (n int, err error) {
	r.printing.Lock()
	defer r.printing.Unlock()
	for {
		if n, err = unix.Read(master, r.buf); err != unix.EINTR {
			break
		}
	}
	if err == nil && n == 0 {
		err = unix.EIO
	}
	if err == nil && !r.mute && writeAll(int(r.out.Fd()), r.buf[:n]) != nil {
		r.mute = true // it has hung up; the program must not wait for that
	}
	return n, err
}

// writeAll writes to a terminal that another process may have set to non-blocking mode.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		switch err {
		case nil:
			b = b[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
		default:
			return err
		}
	}
	return nil
}
