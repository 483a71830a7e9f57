// Package tty is the supervisor's side of a sandbox's own pseudo-terminal: it carries what is typed to the program
// and what the program prints to the user, and behaves towards the shell as a job should.
//
//	relay, err := tty.Start(os.Stdin, os.Stdout, master)
//	relay.Resize()  // at SIGWINCH
//	relay.Resume()  // at SIGCONT
//	relay.Suspend() // when the program has stopped; returns when it should go on
//	relay.Finish()  // when everything inside has ended
//
// The conversation. The caller's terminal is raw, so that what a key means is decided once, by the terminal inside:
//
//	user        caller's terminal     Relay      master and slave             program
//	 │ a key ──────► in ──────────── input ─────────► echo, erase ──────────► read
//	 │ ◄──────────── out ◄────────── output ◄──────── \n to \r\n ◄─────────── write
//	 │ Ctrl-C ─────► byte 3 ─────────────────────────► ISIG ────────────────► SIGINT to its foreground group
//	 │ resize ─────► SIGWINCH ────── Resize ─────────► TIOCSWINSZ ──────────► SIGWINCH to its foreground group
//	 │ Ctrl-Z ─────► byte 26 ────────────────────────► ISIG ────────────────► SIGTSTP
//	 │                               Suspend ◄──────── pid 1 saw it stop ◄─── stopped
//	shell ◄───────── user's modes ── SIGTSTP to our group
//	 │ fg ─────────► SIGCONT ─────── raw again ──────► pid 1 ───────────────► SIGCONT
//	 │ bg ─────────► SIGCONT ─────── hands off ──────► pid 1 ───────────────► SIGCONT
//
// Should:
//   - lose nothing that was printed, and leave to the shell what was typed after the end
//   - give the terminal back with the modes that it had, whenever the shell gets it
//
// Mustn't:
//   - read the caller's terminal or change its modes while another process group is in the foreground: the kernel
//     would stop us (SIGTTIN, SIGTTOU; credentials(7), termios(3))
//
// Limits: Linux only. If we die by a signal, the terminal stays raw (reset(1) helps): the supervisor catches SIGHUP,
// SIGINT and SIGTERM, and SIGKILL cannot be helped. The caller must leave SIGTSTP alone, or Suspend does not stop. The
// leader of the session inside must keep the slave open: a master whose last slave is closed counts as ended. What was
// typed before the end, and not read by the program, is lost; without a terminal of its own it would be the shell's.
// Where nothing is read from the caller's terminal (in is nil, or we are in the background), it is not raw, and both
// terminals make \r\n of \n: a second \r, which no screen shows.
package tty
