package sandbox_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/rogpeppe/go-internal/txtar"

	"cove/internal/mount"
	"cove/profiles"
	"cove/sandbox"
	"cove/userns"
)

var update = flag.Bool("update", false, "rewrite the plans in testdata/plan")

// facts is a Host as a person would write it.
type facts struct {
	Kernel  string
	Cwd     string
	User    userns.User
	Subids  userns.Ranges
	Without []string // features that this machine lacks
	Fuse    bool     // fuse-overlayfs is installed
	Bases   []string // boxes that the box lies on
	TTY     sandbox.TTY
	Streams [3]sandbox.Stream
	// Landlock is the ABI of this kernel's: 1 for 5.13, 2 for 5.19, 3 for 6.2, 4 for 6.7, 5 for 6.10, 6 for 6.12, 7 for 6.15.
	Landlock int
	Env      map[string]string
	Mounts   []string // "/home/u/mnt fuse.sshfs rw,nosuid", or with device and root "/home ext4 rw 8:1 /srv/home"
	Files    string   // "/bin -> usr/bin", "/usr dir", "/etc/passwd file", "/home/u dir 1000:1000 700"
}

func (f facts) host(t *testing.T) sandbox.Host {
	t.Helper()
	looks := map[string]sandbox.Look{"/": {Kind: sandbox.Directory}}
	for line := range strings.Lines(f.Files) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if p, text, ok := strings.Cut(line, " -> "); ok {
			looks[p] = sandbox.Look{Kind: sandbox.Regular, Link: text}
			continue
		}
		w := strings.Fields(line)
		l := sandbox.Look{Kind: sandbox.Kind(w[1]), Mode: 0o755}
		if len(w) > 2 {
			fmt.Sscanf(w[2], "%d:%d", &l.UID, &l.GID)
		}
		if len(w) > 3 {
			mode, err := strconv.ParseUint(w[3], 8, 32)
			if err != nil {
				t.Fatal(err)
			}
			l.Mode = uint32(mode)
		}
		looks[w[0]] = l
		for d := path.Dir(w[0]); looks[d].Kind == sandbox.Missing; d = path.Dir(d) {
			looks[d] = sandbox.Look{Kind: sandbox.Directory, Mode: 0o755}
		}
	}
	look := func(p string) sandbox.Look { return looks[p] }
	list := func(dir string, only func(sandbox.Look) bool) (names []string) {
		for p, l := range looks {
			if p != "/" && path.Dir(p) == dir && only(l) {
				names = append(names, path.Base(p))
			}
		}
		slices.Sort(names)
		return names
	}
	h := sandbox.Host{
		Kernel: f.Kernel, User: f.User, Cwd: f.Cwd, Env: f.Env, Subids: f.Subids, TTY: f.TTY, Streams: f.Streams, Bases: f.Bases,
		Data: path.Join(f.User.Home, ".local/share/cove"), Config: path.Join(f.User.Home, ".config/cove"),
		Runtime: fmt.Sprintf("/run/user/%d/cove", f.User.UID),
		Files:   func(p string) sandbox.File { return sandbox.Resolve(p, look) },
		List:    func(dir string) []string { return list(dir, func(sandbox.Look) bool { return true }) },
		Links:   func(dir string) []string { return list(dir, func(l sandbox.Look) bool { return l.Link != "" }) },
	}
	feature := func(name, reason string) sandbox.Feature {
		if slices.Contains(f.Without, name) {
			return sandbox.No(reason)
		}
		return sandbox.Yes
	}
	h.Features = sandbox.Features{
		UserNS:        feature("userns", "Ubuntu's AppArmor restricts user namespaces to programs with a profile"),
		MountSetattr:  feature("mount_setattr", "mount_setattr(2) needs Linux 5.12"),
		NewMountAPI:   feature("new-mount-api", "open_tree(2) is refused here"),
		KernelOverlay: feature("kernel-overlay", "this kernel has no overlayfs in user namespaces"),
		CgroupNS:      feature("cgroup-namespace", ""),
		SeccompFilter: feature("seccomp", "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)"),
		NewIDMap:      feature("newuidmap", "newuidmap is not installed; sudo apt-get install uidmap"),
		FuseOverlay:   sandbox.No("fuse-overlayfs is not installed; sudo apt-get install fuse-overlayfs"),
	}
	if f.Fuse {
		h.Features.FuseOverlay = sandbox.Yes
	}
	h.Features.LandlockABI = f.Landlock
	switch f.Landlock {
	case 0:
		h.Features.Landlock = sandbox.No("this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK)")
	case 1:
		h.Features.Landlock = sandbox.No("this kernel's Landlock would forbid every rename between directories; that of Linux 5.19 does not")
	default:
		h.Features.Landlock = sandbox.Yes
	}
	for _, m := range f.Mounts {
		w := strings.Fields(m)
		p := sandbox.MountPoint{Path: w[0], Type: w[1], Options: strings.Split(w[2], ",")}
		if len(w) > 4 {
			p.Device, p.Root = w[3], w[4]
		}
		h.Mounts = append(h.Mounts, p)
	}
	return h
}

// Each file of testdata/plan is a profile and the facts of a host, and the plan that comes of them: the effect on
// every distribution and old kernel, as text, on any machine.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("../testdata/plan/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d plans, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := func(name string) *txtar.File {
				for i := range ar.Files {
					if ar.Files[i].Name == name {
						return &ar.Files[i]
					}
				}
				ar.Files = append(ar.Files, txtar.File{Name: name})
				return &ar.Files[len(ar.Files)-1]
			}
			var f facts
			if md, err := toml.Decode(string(part("host.toml").Data), &f); err != nil || len(md.Undecoded()) > 0 {
				t.Fatal(err, md.Undecoded())
			}
			layer, err := profiles.Parse("profile.toml", part("profile.toml").Data)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := profiles.Merge(layer)
			if err != nil {
				t.Fatal(err)
			}
			spec.Command, spec.Box = []string{"make", "test"}, "new"
			plan, err := sandbox.Compile(spec, f.host(t))
			got, rules := "", ""
			if lack := (*sandbox.LackError)(nil); errors.As(err, &lack) {
				err = &lack.UnsupportedError
			}
			switch e := err.(type) {
			case nil:
				got, rules = plan.Text(), plan.Landlock.Text()
			case *sandbox.UnsupportedError:
				got = fmt.Sprintf("this machine: %s\nhint: %s\n", e.Msg, e.Hint)
			case *sandbox.UnseenError:
				got = e.Error() + "\n"
			case *sandbox.SpecError:
				got = fmt.Sprintf("%s: %s\nhint: %s\n", e.From, e.Msg, e.Hint)
			default:
				t.Fatal(err)
			}
			want, wantRules := part("plan"), part("landlock")
			if *update {
				want.Data = []byte(got)
				wantRules.Data = []byte(rules)
				if rules == "" {
					ar.Files = slices.DeleteFunc(ar.Files, func(f txtar.File) bool { return f.Name == "landlock" })
				}
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if string(want.Data) != got {
				t.Errorf("the plan is now\n%s\nrun go test ./sandbox -update, and look at the difference", got)
			}
			if string(wantRules.Data) != rules {
				t.Errorf("the Landlock rules are now\n%s\nrun go test ./sandbox -update, and look at the difference", rules)
			}
		})
	}
}

// docs/how-it-works.md is a plan with sentences between its lines. It must be the plan that the program makes, line by
// line, with nothing left out.
func TestHowItWorksIsTrue(t *testing.T) {
	doc, err := os.ReadFile("../docs/how-it-works.md")
	if err != nil {
		t.Fatal(err)
	}
	ar, err := txtar.ParseFile("../testdata/plan/debian-12.txtar")
	if err != nil {
		t.Fatal(err)
	}
	lines := func(text string) (lines []string) {
		for l := range strings.Lines(text) {
			if l = strings.TrimRight(l, "\n"); l != "" {
				lines = append(lines, l)
			}
		}
		return lines
	}
	for _, what := range []string{"plan", "landlock"} {
		var told, want []string
		for i, part := range strings.Split(string(doc), "```") {
			if text, ok := strings.CutPrefix(part, what+"\n"); ok && i%2 == 1 {
				told = append(told, lines(text)...)
			}
		}
		for _, f := range ar.Files {
			if f.Name == what {
				want = lines(string(f.Data))
			}
		}
		for i := range max(len(told), len(want)) {
			switch {
			case i >= len(told):
				t.Fatalf("docs/how-it-works.md leaves out %q and what follows", want[i])
			case i >= len(want) || told[i] != want[i]:
				t.Fatalf("docs/how-it-works.md says %q where the %s has %q", told[i], what, append(want, "nothing more")[i])
			}
		}
	}
}

// What is made before there is a plan is what a plan then takes, or it was made for nothing.
func TestStock(t *testing.T) {
	f := facts{Kernel: "6.1.0", Cwd: "/home/u", User: userns.User{UID: 1000, GID: 1000, Name: "u", Home: "/home/u"},
		Files: "/usr dir\n/var/tmp dir\n/home/u dir 1000:1000 700\n/proc dir\n/dev dir"}
	plan, err := sandbox.Compile(sandbox.Spec{Command: []string{"true"}, Box: "b"}, f.host(t))
	if err != nil {
		t.Fatal(err)
	}
	left := slices.Clone(plan.Ops)
	for _, s := range sandbox.Stock() {
		at := slices.IndexFunc(left, func(op mount.Op) bool {
			return op.Do == mount.Mount && op.Alike(&s)
		})
		if at < 0 {
			t.Errorf("nothing mounts %s with %v", s.Type, s.Options)
			continue
		}
		left = slices.Delete(left, at, at+1)
	}
}
