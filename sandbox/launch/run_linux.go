package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/box"
	"cove/internal/mount"
	"cove/overlay"
	"cove/sandbox"
)

const goarch = runtime.GOARCH

// Options say where and how a sandbox runs.
type Options struct {
	Dirs                  Dirs
	Stdin, Stdout, Stderr *os.File
	// Notify tells of what takes a while or may matter to the user; it may be nil.
	Notify func(format string, args ...any)
}

func (o *Options) notify(format string, args ...any) {
	if o.Notify != nil {
		o.Notify(format, args...)
	}
}

// Run makes or takes the box that spec names (a new one with a readable name where it names none), plans, builds,
// runs the program, waits for it, and reports. A box in which nothing changed, or that spec says to drop, is removed.
//
// Errors: *sandbox.SpecError, *sandbox.UnsupportedError, *box.BusyError, *CloneError, *StepError, *ExecError.
func Run(spec sandbox.Spec, host sandbox.Host, opt Options) (*sandbox.Report, error) {
	store, err := box.Open(opt.Dirs.Data)
	if err != nil {
		return nil, err
	}
	b, err := take(store, spec.Box)
	if err != nil {
		return nil, err
	}
	kept := spec.Box != "" && b.Existed()
	spec.Box = b.Name()
	report, err := runIn(b, spec, host, opt)
	if err != nil && !kept {
		// Nothing ran in it: the box would be an empty shell.
		return report, errors.Join(err, drop(store, b))
	}
	if err != nil {
		b.Close()
		return report, err
	}
	if spec.Drop || report.Changes == 0 && !kept {
		report.Dropped = true
		return report, drop(store, b)
	}
	if err := b.WriteJSON("report.json", report); err != nil {
		opt.notify("cannot keep the report: %v", err)
	}
	return report, b.Close()
}

func take(store *box.Store, name string) (*box.Box, error) {
	if name == "" {
		return store.Create("")
	}
	return store.Acquire(name)
}

func drop(store *box.Store, b *box.Box) error { return b.Remove() }

func runIn(b *box.Box, spec sandbox.Spec, host sandbox.Host, opt Options) (*sandbox.Report, error) {
	plan, err := sandbox.Compile(spec, host)
	if err != nil {
		return nil, err
	}
	if err := prepare(b, plan, host, opt.Dirs); err != nil {
		return nil, err
	}
	script, err := compile(plan, host)
	if err != nil {
		return nil, err
	}
	for _, n := range plan.Notes {
		opt.notify("%s", n.Text)
	}

	report := &sandbox.Report{Box: b.Name(), Command: plan.Command, Started: time.Now(), Changes: -1}
	s := &supervisor{plan: plan, opt: opt, fuseBin: host.Features.FuseOverlayBin}
	if s.proc, err = script.Start(); err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) {
			return nil, &CloneError{errno, cloneHint(errno)}
		}
		return nil, err
	}
	out, err := s.supervise()
	if s.fuse != nil {
		err = errors.Join(err, s.fuse.stop())
	}
	if err != nil {
		return nil, explain(err)
	}
	report.Wall = time.Since(report.Started)
	report.User = time.Duration(out.usage.Utime.Nano())
	report.System = time.Duration(out.usage.Stime.Nano())
	report.MaxRSS = out.usage.Maxrss << 10
	report.ExitCode = out.status.ExitStatus()
	if out.status.Signaled() {
		report.Signal = int(out.status.Signal())
		report.ExitCode = 128 + report.Signal
	}
	if err := settle(b, plan, host, report); err != nil {
		return report, err
	}
	return report, nil
}

// prepare makes on disk what the plan mounts.
func prepare(b *box.Box, plan *sandbox.Plan, host sandbox.Host, dirs Dirs) error {
	for _, op := range plan.Ops {
		// A mask over cove's own state needs it to be there, or the program could make it (Compile, ownState).
		if op.Do == mount.Mask && (op.Target == dirs.Config || op.Target == dirs.Data || op.Target == dirs.Runtime) {
			if err := os.MkdirAll(op.Target, 0o700); err != nil {
				return fmt.Errorf("cannot make %s, which must be hidden from the program: %w", op.Target, err)
			}
		}
	}
	if plan.Home.Mode != sandbox.HomeCow && !plan.Home.RootCow {
		return nil
	}
	if err := b.Prepare(plan.Home.Path, plan.Home.Backend, plan.IDs.Helper); err != nil {
		return err
	}
	f := plan.Home.Front
	if len(f.Hide)+len(f.Dirs)+len(f.Files) == 0 {
		return nil
	}
	return overlay.Build(filepath.Join(b.Path(), "front"), plan.Home.Path, overlay.Front{Hide: f.Hide, Dirs: f.Dirs, Files: f.Files})
}

// settle counts what the program changed, and makes a kept box durable.
func settle(b *box.Box, plan *sandbox.Plan, host sandbox.Host, report *sandbox.Report) error {
	report.Changes = 0
	if plan.Home.Mode == sandbox.HomeCow {
		n, err := overlay.Count(context.Background(), b.Upper(), plan.Home.Path)
		if err != nil {
			report.Notes = append(report.Notes, "not everything that changed could be read: "+err.Error())
			n = max(n, 1)
		}
		report.Changes = n
		if report.ExitCode != 0 && plan.IDs.Helper == false {
			if names := Foreign(host); len(names) > 0 {
				report.Notes = append(report.Notes, sandbox.Foreign(names).Text)
			}
		}
	}
	if plan.Home.RootCow && report.Changes == 0 {
		report.Changes = -1 // the box holds the root's changes, which are not counted
	}
	if report.Changes == 0 {
		return nil
	}
	return b.WriteJSON("plan.json", plan)
}

// explain adds what is known of the machine to a step's failure.
func explain(err error) error {
	var step *StepError
	if errors.As(err, &step) && (step.Errno == unix.EPERM || step.Errno == unix.EACCES) {
		if hint := appArmorHint(); hint != "" {
			return &sandbox.UnsupportedError{Msg: step.Error(), Hint: hint}
		}
	}
	return err
}
