package stage

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The conversation between the supervisor and the stage goes over a pair of SOCK_SEQPACKET sockets, in messages
// of four int32 {kind, a, b, c}. Its end, on either side, ends the sandbox.
//
//	   [ supervisor ]                       [ stage, pid 1 inside ]
//	clone3          ─────────────────────►  performs First
//	perform         ───►                    performs Setup, in which there may be
//	                ◄─── map                  "write my id maps"
//	newuidmap …
//	go              ───►
//	                ◄─── descriptor + fd      "serve this file system", "here is the terminal"
//	serves it
//	go              ───►
//	                                        … and forks the program
//	signal{n}       ───►                      passes it on
//	continue        ───►                      wakes the program's group
//	                ◄─── stopped{signal}
//	                                        … which has ended: kills and reaps whatever is left
//	                ◄─── exited{wait status}  and pid 1 ends as the program did
//
//	at any time before the program runs:
//	                ◄─── failed{op, errno}
const (
	// From the stage.
	MsgFailed     = 1 // a: op, b: errno
	MsgMap        = 2
	MsgDescriptor = 3 // a: which, one of Descriptor*; the descriptor comes along as SCM_RIGHTS
	MsgStopped    = 4 // a: signal, b and c: when, as CLOCK_MONOTONIC seconds and nanoseconds
	MsgExited     = 5 // a: wait status

	// From the supervisor.
	MsgGo       = 16
	MsgSignal   = 17 // a: signal
	MsgContinue = 18
	MsgPerform  = 19
)

// What a descriptor is that comes along with MsgDescriptor.
const (
	DescriptorFuse = 1 // an opened /dev/fuse whose file system is mounted
	DescriptorTTY  = 2 // the master side of the program's terminal
)

// Ops that are not the caller's, in MsgFailed.
const (
	OpTalk = -1 // the conversation itself
	OpExec = -2 // executing the program
	OpFork = -3 // forking it
)

// A Message is one message of the conversation: its kind and three numbers.
type Message [4]int32

// Say adds a message to the supervisor.
func (l *List) Say(op int, kind int32) {
	m := Put(l, Message{kind})
	l.Call(op, unix.SYS_SENDTO, l.ctl, unsafe.Pointer(m), int(unsafe.Sizeof(*m)), unix.MSG_NOSIGNAL, nil, 0)
}

// Wait adds waiting for the supervisor's go.
func (l *List) Wait(op int) {
	m := Put(l, Message{})
	c := l.Call(op, unix.SYS_RECVFROM, l.ctl, unsafe.Pointer(m), int(unsafe.Sizeof(*m)), 0, nil, nil)
	l.calls[c.at].full = true
}

// rights is a sendmsg(2) that carries one descriptor.
type rights struct {
	msg  unix.Msghdr
	iov  unix.Iovec
	body Message
	head unix.Cmsghdr
	fd   int32
	_    int32 // CMSG_SPACE
}

// A Parcel is a descriptor that will be handed to the supervisor: calls put it into its Slot, Hand sends it.
type Parcel struct{ r *rights }

// NewParcel makes a Parcel for a descriptor of the given meaning.
func (l *List) NewParcel(which int32) Parcel {
	r := Put(l, rights{body: Message{MsgDescriptor, which}, fd: -1})
	r.iov.Base = (*byte)(unsafe.Pointer(&r.body))
	r.iov.SetLen(int(unsafe.Sizeof(r.body)))
	r.head.Level, r.head.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
	r.head.SetLen(unix.CmsgLen(4))
	r.msg.Iov, r.msg.Iovlen = &r.iov, 1
	r.msg.Control = (*byte)(unsafe.Pointer(&r.head))
	r.msg.SetControllen(unix.CmsgSpace(4))
	return Parcel{r}
}

// Slot is where the descriptor is put before it is sent.
func (p Parcel) Slot() Slot { return Slot{&p.r.fd} }

// Hand adds sending p to the supervisor.
func (l *List) Hand(op int, p Parcel) {
	l.Call(op, unix.SYS_SENDMSG, l.ctl, unsafe.Pointer(&p.r.msg), unix.MSG_NOSIGNAL)
}

// Tell sends a message to the stage. An error means that it is gone.
func (p *Process) Tell(kind, a int32) error {
	m := Message{kind, a}
	for {
		_, err := unix.SendmsgN(p.ctl, (*[16]byte)(unsafe.Pointer(&m))[:], nil, nil, unix.MSG_NOSIGNAL)
		if err != syscall.EINTR {
			return err
		}
	}
}

// FD becomes readable when there is something to Hear.
func (p *Process) FD() int { return p.ctl }

// Hear waits for a message from the stage. ok is false at the end of the conversation: the stage is gone. fd is a
// descriptor that came along, or -1.
func (p *Process) Hear() (m Message, fd int, ok bool) {
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(p.ctl, (*[16]byte)(unsafe.Pointer(&m))[:], oob, unix.MSG_CMSG_CLOEXEC)
		// The stage ended with something of ours unread: that is told once, before what it had to say
		// (unix_release_sock, __skb_try_recv_datagram).
		if err == syscall.EINTR || err == syscall.ECONNRESET {
			continue
		}
		if err != nil || n < int(unsafe.Sizeof(m)) {
			return m, -1, false
		}
		fd = -1
		if oobn > 0 {
			if cs, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(cs) == 1 {
				if fds, err := unix.ParseUnixRights(&cs[0]); err == nil && len(fds) == 1 {
					fd = fds[0]
				}
			}
		}
		return m, fd, true
	}
}

// A Failure is what a stage told of a call that failed.
type Failure struct {
	Op    int // of the call
	Errno syscall.Errno
}

// Finish hears out a stage that needs nothing but perhaps its id maps, and waits for its end. Where install fails, which
// is called for MsgMap, the stage is killed, and its error returned. failed is the first failure, or nil.
func (p *Process) Finish(install func() error) (status syscall.WaitStatus, failed *Failure, err error) {
	for {
		m, fd, ok := p.Hear()
		if !ok {
			break
		}
		if fd >= 0 {
			syscall.Close(fd) // nobody asked for one
		}
		switch {
		case m[0] == MsgFailed && failed == nil:
			failed = &Failure{int(m[1]), syscall.Errno(m[2])}
		case m[0] == MsgMap && err == nil:
			if err = install(); err != nil {
				p.Kill()
				continue
			}
			p.Tell(MsgGo, 0)
		}
	}
	status, gone := p.Wait()
	if err == nil {
		err = gone
	}
	return status, failed, err
}
