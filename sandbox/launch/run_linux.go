package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
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
	Signals               *Signals // from CatchSignals; where it is nil, signals do to cove what they do
	Begun                 *Stage   // from Begin; where it is nil, Run begins
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
	defer opt.Begun.Abandon()
	if err := checkStreams(); err != nil {
		return nil, err
	}
	if spec.Box == "" && !spec.Copies() {
		report, err := runIn(nil, spec, host, opt)
		if report != nil {
			report.Dropped = true
		}
		return report, err
	}
	store, err := box.Open(opt.Dirs.Data)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	b, err := take(store, spec.Box)
	if err != nil {
		return nil, err
	}
	b.Cwd = host.Cwd
	if host.Bases, err = b.Hold(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	kept := b.Existed()
	if kept && spec.Drop {
		return nil, errors.Join(&sandbox.SpecError{From: sandbox.Origin{Name: "flag --rm"}, Msg: "cannot drop the box " + b.Name() + " at exit: it holds changes of earlier runs",
			Hint: "leave out one of --box and --rm, or drop it yourself: cove rm " + b.Name()}, b.Close())
	}
	spec.Box = b.Name()
	report, err := runIn(b, spec, host, opt)
	opt.Begun = nil
	var step *StepError
	if errors.As(err, &step) && step.Op != nil && step.Op.Do == mount.Overlay {
		// What was remembered is not true any more, or was tried before there was a place for boxes. The
		// program has not run yet.
		forget(opt.Dirs)
		if again := features(&host, opt.Dirs, spec); again == nil && !host.Features.KernelOverlay.OK {
			report, err = runIn(b, spec, host, opt)
		}
	}
	switch {
	case err != nil && !kept && report == nil:
		return nil, errors.Join(err, remove(b)) // nothing ran in it: the box would be an empty shell
	case err != nil && spec.Drop:
		return report, errors.Join(err, remove(b))
	case err != nil:
		return report, errors.Join(err, b.Close())
	case !stays(b, spec, report):
		report.Dropped = true
		return report, remove(b)
	}
	if err := b.WriteJSON("report.json", report); err != nil {
		opt.notify("cannot keep the report: %v", err)
	}
	return report, b.Close()
}

// stays tells whether a box is kept after a run: one that was kept before is, and one that holds changes, unless they are
// to be dropped.
func stays(b *box.Box, spec sandbox.Spec, report *sandbox.Report) bool {
	return !spec.Drop && (b.Existed() || report.Changes+report.RootChanges != 0)
}

// checkStreams refuses what would show the program the host's tree: /proc/self/fd/0/.. of a directory.
func checkStreams() error {
	for fd, name := range []string{"input", "output", "error"} {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil {
			continue // closed
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if st.Mode&unix.S_IFMT == unix.S_IFDIR || err == nil && flags&unix.O_PATH != 0 {
			return &sandbox.UnsupportedError{Msg: fmt.Sprintf("cannot pass a directory to the program as its standard %s: it could reach the host's files through it", name), Hint: "redirect it to a file, or to /dev/null"}
		}
	}
	return nil
}

// Recall adds to spec what its box remembers, where it does not say otherwise: the root directory that the box holds
// changes to. Without it they would be out of sight, and the programs in it too.
func Recall(dirs Dirs, spec *sandbox.Spec) error {
	if spec.Box == "" {
		return nil
	}
	store, err := box.Open(dirs.Data)
	if err != nil {
		return err
	}
	defer store.Close()
	view, err := store.View(spec.Box)
	if err != nil {
		return nil // there is none yet, or Run will tell what is wrong with it
	}
	defer view.Close()
	from := sandbox.Origin{Name: "box " + view.Meta.Name}
	if view.Meta.Root != "" && !spec.Root.IsSet {
		spec.Root = sandbox.Set(view.Meta.Root, from)
	}
	if view.Meta.Root != "" && spec.Root.Value == view.Meta.Root && !spec.RootCow.IsSet {
		spec.RootCow = sandbox.Set(true, from)
	}
	return nil
}

func take(store *box.Store, name string) (*box.Box, error) {
	if name == "" {
		return store.Create("")
	}
	return store.Acquire(name)
}

// runIn runs the program in b, which is nil where nothing is to be kept. The report is nil where the program did not
// start.
func runIn(b *box.Box, spec sandbox.Spec, host sandbox.Host, opt Options) (*sandbox.Report, error) {
	begun := opt.Begun
	if begun == nil || begun.net != ownNet(spec) {
		begun = Begin(spec)
		defer begun.Abandon()
	}
	plan, err := ready(b, spec, host, begun)
	if err != nil {
		return nil, err
	}
	for _, n := range plan.Notes {
		opt.notify("%s", n.Text)
	}

	report := &sandbox.Report{Box: spec.Box, Command: plan.Command, Started: time.Now(), Changes: -1}
	s := &supervisor{plan: plan, opt: opt, proc: begun.proc, tty: host.TTY, host: host}
	if host.TTY.Stdin || host.TTY.Stdout || host.TTY.Stderr {
		s.catchStop()
	}
	begun.proc = nil // it is s's now
	s.proc.Perform()
	status, err := s.supervise()
	if err != nil {
		if !s.ran {
			report = nil
		}
		return report, explain(err)
	}
	usage := s.proc.Usage()
	report.Wall = time.Since(report.Started)
	report.User = time.Duration(usage.Utime.Nano())
	report.System = time.Duration(usage.Stime.Nano())
	report.MaxRSS = usage.Maxrss << 10
	report.ExitCode = status.ExitStatus()
	if status.Signaled() {
		report.Signal = int(status.Signal())
		report.ExitCode = 128 + report.Signal
	}
	err = settle(b, plan, host, report)
	if b != nil && stays(b, spec, report) {
		// The box stays, and may be wanted at once: an overlay whose upper layer is still mounted elsewhere is EBUSY.
		s.end()
	}
	return report, err
}

// ready plans, makes what is mounted, and lays the stage's script out.
func ready(b *box.Box, spec sandbox.Spec, host sandbox.Host, begun *Stage) (*sandbox.Plan, error) {
	plan, err := sandbox.Compile(spec, host)
	if err != nil {
		return nil, err
	}
	if begun.err != nil {
		return nil, begun.err
	}
	if plan.Has("net") != begun.net {
		return nil, fmt.Errorf("the stage began with another network than is planned: this is a bug in cove")
	}
	if err := prepare(b, plan, host); err != nil {
		return nil, err
	}
	return plan, lay(begun, plan, host)
}

// prepare makes on disk what the plan mounts.
func prepare(b *box.Box, plan *sandbox.Plan, host sandbox.Host) error {
	var own []string
	var same [][]string // where else each is
	for _, dir := range []string{host.Config, host.Data, host.Runtime} {
		real := host.Files(dir).Real
		whole, _ := sandbox.Elsewhere(host.Mounts, real)
		own, same = append(own, real), append(same, whole)
	}
	for _, op := range plan.Ops {
		// A mask over cove's own state needs it to be there, or the program could make it (Compile, ownState).
		for i, dir := range own {
			shown := op.Do == mount.BindTo && isBelow(dir, op.Source) && (!op.Has("ro") || op.Source != op.Target)
			if shown || op.Do == mount.Mask && (op.Target == dir || slices.Contains(same[i], op.Target)) {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					return fmt.Errorf("cannot make %s, which must be hidden from the program: %w", dir, err)
				}
			}
		}
		if op.Do == mount.Overlay && op.Target == "/" {
			if err := b.PrepareRoot(op.Layers.Lower[0], plan.RootMade()); err != nil {
				return err
			}
		}
	}
	if plan.Home.Mode != sandbox.HomeCow && !plan.Home.RootCow {
		return nil
	}
	f := plan.Home.Front
	err := b.Prepare(plan.Home.Path, plan.Home.Backend, plan.IDs.Helper, f.Hide...)
	if needs := (*box.NeedsMapError)(nil); errors.As(err, &needs) && mapped(err) == nil {
		err = b.Prepare(plan.Home.Path, plan.Home.Backend, plan.IDs.Helper, f.Hide...)
	}
	if err != nil {
		return err
	}
	if layers := fuseLayersOf(plan.Ops); layers != nil && !f.Empty() {
		if err := overlay.Build(b.Front(), layers.Front); err != nil {
			return &sandbox.UnsupportedError{Msg: err.Error(),
				Hint: "the file system that holds your boxes can perhaps not hide anything: set XDG_DATA_HOME to a directory on another one, or use --home tmpfs with --rw DIR"}
		}
	}
	return nil
}

// settle counts what the program changed, and keeps the plan of a box that stays.
func settle(b *box.Box, plan *sandbox.Plan, host sandbox.Host, report *sandbox.Report) error {
	counted := func(n int, err error) int {
		if err != nil {
			report.Notes = append(report.Notes, "not everything that changed could be read: "+err.Error())
			n = max(n, 1)
		}
		return n
	}
	report.Changes = 0
	if plan.Home.Mode == sandbox.HomeCow {
		f := plan.Home.Front
		opt := overlay.Options{Backend: overlay.Backend(plan.Home.Backend), Hidden: f.Hide, Mounts: slices.Concat(f.Dirs, f.Files)}
		settled, err, err2 := settleBase(b, plan.Home.Path, opt)
		report.Changes = counted(settled.Changes, err)
		if err == nil && !plan.Home.RootCow {
			b.Meta.Tally = &box.Tally{Changes: report.Changes, Bytes: settled.Bytes}
		}
		if err2 != nil {
			report.Notes = append(report.Notes, err2.Error())
		}
		if settled.Underneath > 0 {
			report.Notes = append(report.Notes, fmt.Sprintf("%d of the paths that changed in the box were changed in your real home, too, while the program ran", settled.Underneath))
		}
		if report.ExitCode != 0 && plan.Home.Backend == sandbox.OverlayKernel && !plan.IDs.Helper {
			if names := Foreign(host); len(names) > 0 {
				report.Notes = append(report.Notes, sandbox.Foreign(names).Text)
			}
		}
	}
	if plan.Home.RootCow {
		report.RootChanges = counted(overlay.Count(context.Background(), b.RootUpper(), b.Meta.Root, overlay.Options{Backend: overlay.Kernel, Made: b.Meta.Made}))
	}
	if report.Changes+report.RootChanges == 0 {
		return nil
	}
	return b.WriteJSON("plan.json", plan)
}

// explain adds what is known of the machine to a step's failure.
func explain(err error) error {
	lack := func(err error, errno syscall.Errno) error {
		if hint := appArmorHint(errno); hint != "" {
			return &sandbox.LackError{UnsupportedError: sandbox.UnsupportedError{Msg: err.Error(), Hint: hint}}
		}
		return nil
	}
	var clone *CloneError
	if errors.As(err, &clone) {
		if lack := lack(clone, clone.Errno); lack != nil {
			return lack
		}
	}
	var step *StepError
	var files unix.Rlimit
	if errors.As(err, &step) && (step.Errno == unix.EMFILE || step.Errno == unix.EBADF) && unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil && files.Cur < 1024 {
		// The number of a descriptor that is above the limit is EBADF (dup(2)).
		return &sandbox.UnsupportedError{Msg: step.Error(), Hint: fmt.Sprintf("no more than %d files may be open at once here; raise that: ulimit -n 1024", files.Cur)}
	}
	if errors.As(err, &step) {
		if lack := lack(step, step.Errno); lack != nil {
			return lack
		}
	}
	return err
}
