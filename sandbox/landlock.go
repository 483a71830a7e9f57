package sandbox

import (
	"slices"

	"cove/internal/landlock"
	"cove/internal/mount"
)

// LandlockPlan is the second wall: what the steps of the plan let in, once more, as Landlock rules, which hold by
// whatever mount, descriptor or link a file is reached.
type LandlockPlan struct {
	landlock.Ruleset
	From string `json:"from,omitempty"`
	Why  string `json:"why,omitempty"` // why there is none
}

// landlocked tells whether there will be a second wall, and if not, why.
func (c *compiler) landlocked() (yes bool, why string) {
	switch {
	case c.spec.Landlock.Value == LandlockOff:
		return false, "the mounts alone hold the program"
	case c.spec.Nesting.Value:
		return false, "under Landlock nothing can be mounted, and so no sandbox be made inside"
	}
	return c.host.Features.Landlock.OK, c.host.Features.Landlock.Reason
}

// closesAbstract tells whether the host's abstract sockets are kept away from a program on its network.
func (c *compiler) closesAbstract() bool {
	yes, _ := c.landlocked()
	return yes && c.host.Features.LandlockABI >= landlock.ABIScopes && !c.spec.AbstractSockets.Value
}

func (c *compiler) landlock() error {
	s := c.spec.Landlock
	p := &c.plan.Landlock
	p.From = s.From.String()
	yes, why := c.landlocked()
	if !yes {
		p.Why = why
		switch {
		case s.Value != LandlockRequire:
			return nil
		case c.spec.Nesting.Value:
			return &SpecError{s.From, "cannot use Landlock with nesting: under it nothing can be mounted, and so no sandbox be made inside", "leave out one of the two"}
		}
		return &UnsupportedError{"cannot use Landlock, which " + s.From.String() + " requires: " + why, `leave it out, or with process.landlock = "auto" do without where it is missing`}
	}
	p.Ruleset = c.rules()
	c.streams()
	if c.plan.Net.Mode == NetHost && c.closesAbstract() {
		p.Scopes = append(p.Scopes, landlock.AbstractSockets)
	}
	if c.plan.TTY.Mode == TTYKeep && c.host.TTY.Stdin && p.ABI >= landlock.ABIScopes {
		// It shares its caller's process group, and kill(0, …) knows no pid namespaces.
		p.Scopes = append(p.Scopes, landlock.Signals)
	}
	return nil
}

// usualRules is how many rules a plan has, without grants.
const usualRules = 20

// rules let in what the plan's mounts show.
func (c *compiler) rules() landlock.Ruleset {
	r := landlock.Ruleset{ABI: c.host.Features.LandlockABI, Rules: make([]landlock.Rule, 0, usualRules)}
	var sealed []string
	for i := range c.plan.Ops {
		if op := &c.plan.Ops[i]; op.Do == mount.Seal {
			sealed = append(sealed, op.Target)
		}
	}
	for i := range c.mounts {
		m := &c.mounts[i]
		rule := landlock.Rule{Path: m.op.Target, File: m.file, From: m.op.From}
		rule.Rights, rule.Why = m.rights(slices.Contains(sealed, m.op.Target))
		if m.op.Type == "mqueue" {
			// mq_open(3) finds queues by a mount of the kernel's own, from which no way leads up to /dev.
			r.Rules = append(r.Rules, rule)
			continue
		}
		r.Add(rule)
	}
	return r
}

var (
	rightsNames    = []landlock.Right{landlock.List}
	rightsReadOnly = []landlock.Right{landlock.List, landlock.Read, landlock.Exec}
	rightsWritable = []landlock.Right{landlock.List, landlock.Read, landlock.Exec, landlock.Write, landlock.Make}
	rightsKernel   = []landlock.Right{landlock.List, landlock.Read, landlock.Write}
	rightsDevices  = []landlock.Right{landlock.List, landlock.Read, landlock.Write, landlock.Ioctl}
	rightsQueues   = []landlock.Right{landlock.List, landlock.Read, landlock.Write, landlock.Make}
)

// rights are what a mount lets a program do.
func (p *place) rights(sealed bool) (rights []landlock.Right, why string) {
	if p.op.Do == mount.Mask {
		return nil, ""
	}
	switch p.region {
	case regionReadOnly:
		return rightsReadOnly, ""
	case regionWritable, regionCow:
		return rightsWritable, ""
	case regionKernel:
		switch p.op.Type {
		case "proc":
			if p.op.Has("ro") {
				return rightsKernel[:2], ""
			}
			return rightsKernel, ""
		case "mqueue":
			return rightsQueues, ""
		}
		return rightsDevices, ""
	}
	switch {
	case p.op.Target == "/dev":
		return rightsDevices, ""
	case p.op.Target == "/" && sealed:
		return rightsNames, "the root can be listed, and so could what leaks into it, but not read"
	case sealed:
		return nil, "" // an empty directory of ours, in which something is let in
	}
	return rightsWritable, ""
}

// streams let the program open its standard streams once more, as /dev/stdin and /proc/self/fd/0: in the way in which
// they are open. They are files of the host by paths of the host, so no other rule covers them.
func (c *compiler) streams() {
	terminal := [3]bool{c.host.TTY.Stdin, c.host.TTY.Stdout, c.host.TTY.Stderr}
	for i, name := range []string{landlock.Stdin, landlock.Stdout, landlock.Stderr} {
		s := c.host.Streams[i]
		if s.Kind == Missing || terminal[i] && c.plan.TTY.Mode == TTYNew {
			continue
		}
		rule := landlock.Rule{Stream: name, File: true, Why: "can be opened again, as /dev/" + name}
		if s.Read {
			rule.Rights = append(rule.Rights, landlock.Read)
		}
		if s.Read && s.Kind == Regular {
			rule.Rights = append(rule.Rights, landlock.Exec)
		}
		if s.Write {
			rule.Rights = append(rule.Rights, landlock.Write)
		}
		if s.Kind == Device {
			rule.Rights = append(rule.Rights, landlock.Ioctl)
		}
		c.plan.Landlock.Add(rule)
	}
}
