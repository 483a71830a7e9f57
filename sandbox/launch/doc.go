// Package launch carries a sandbox.Plan out: it finds the facts, makes the box, forks the stage, stands by while
// the program runs, and reports what happened.
//
//	dirs, err := launch.FindDirs(os.Getenv, home)
//	signals, err := launch.CatchSignals()
//	host, err := launch.Probe(dirs, spec)
//	report, err := launch.Run(spec, host, launch.Options{Dirs: dirs, Signals: signals, Stdin: os.Stdin, …})
//
// Limits: one sandbox at a time in a process.
package launch
