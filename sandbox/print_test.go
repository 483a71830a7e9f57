package sandbox

import (
	"strings"
	"testing"

	"cove/internal/landlock"
	"cove/internal/mount"
	"cove/internal/seccomp"
	"cove/overlay"
	"cove/userns"
)

// Every kind of line that a plan can have.
func TestPlanText(t *testing.T) {
	p := &Plan{
		Command:  []string{"sh", "-c", "echo it's > ~/hello", "\x1b[31m"},
		Workdir:  "/home/u/my\nproject",
		Env:      []EnvVar{{"HOME", "/home/u", "cove"}, {"LANG", "C.UTF-8", "profile default:3"}, {"TERM", "xterm\x1b", "profile default:3"}},
		IDs:      userns.Map{UIDs: []userns.Range{{Inside: 0, Outside: 1000, Count: 1}, {Inside: 1, Outside: 100000, Count: 65536}}, GIDs: []userns.Range{{Inside: 1000, Outside: 1000, Count: 1}}, Helper: true},
		Hostname: "cove",
		Namespaces: []Namespace{
			{"user", "no privilege outside"}, {"mnt", ""}, {"pid", ""},
		},
		Home: HomePlan{Mode: HomeCow, Path: "/home/u", From: "default", Backend: OverlayKernel, Front: overlay.Front{Hide: []string{".ssh", ".gnupg"}, Files: []string{".netrc"}}},
		Ops: []mount.Op{
			mount.New("tmpfs", "/", "nosuid").Because("an empty root").By("default"),
			mount.Bind("/usr", "/usr").With("ro", "nosuid").By("profile build:12"),
			mount.Link("usr/bin", "/bin"),
			mount.Bind("/data/\u202egpj.exe", "/home/u/a\\b").With("nosuid").By("flag --rw"),
			{Do: mount.Overlay, Target: "/home/u", Layers: &mount.Layers{Backend: "kernel", Lower: []string{"/b/front", "/home/u"}, Upper: "/b/upper", Work: "/b/work", Volatile: true}},
			mount.New("tmpfs", "/"+strings.Repeat("deep/", 20)+"x", "nosuid").Because("long paths do not push the others aside"),
			{Do: mount.Pivot, Why: "nothing of the host's tree can be reached"},
		},
		Net:    NetPlan{Mode: NetNone, From: "default"},
		TTY:    TTYPlan{Mode: TTYKeep, From: "flag --tty", Why: "no terminal"},
		Limits: []Limit{{"files", 1024, Origin{Name: "profile lab", Line: 4}}, {"file_size", 512 << 20, Origin{}}, {"stack", 1000, Origin{}}},
		Caps:   []Cap{{"CHOWN", "package managers"}, {"FOWNER", ""}},
		Landlock: LandlockPlan{From: "profile lab:9", Ruleset: landlock.Ruleset{ABI: 7, Scopes: []landlock.Scope{landlock.AbstractSockets, landlock.Signals}, Rules: []landlock.Rule{
			{Path: "/", Rights: rightsNames, Why: "names alone"},
			{Path: "/da\nta", Rights: rightsReadOnly, From: "flag --ro"},
			{Path: "/dev/mqueue", Rights: rightsQueues},
			{Stream: landlock.Stdin, Rights: []landlock.Right{landlock.Read}, Why: "can be opened again"},
		}}},
		Seccomp: &SeccompPlan{seccomp.Policy{Nesting: true, Allow: []string{"ptrace"}}, "default"},
		Classic: true,
		Notes:   []Note{{"the home is slow", "install something"}},
	}
	want := `
run sh -c 'echo it'\''s > ~/hello' $'\x1b[31m'
 in /home/u/my\nproject

1  mount tmpfs  /                                   nosuid     an empty root
2  bind         /usr                                ro,nosuid  [profile build:12]
3  symlink      /bin → usr/bin
4  bind         /home/u/a\\b ← /data/\u202egpj.exe  nosuid  [flag --rw]
5  overlay      /home/u
       over    /b/front
       and     /home/u
       changes /b/upper (kernel, not synced to disk: the box is dropped)
6  mount tmpfs  /deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep/x  nosuid     long paths do not push the others aside
7  pivot                                                       nothing of the host's tree can be reached

home         copy-on-write (kernel) at /home/u
             hidden: ~/.ssh, ~/.gnupg
             mount points: ~/.netrc
environment  HOME
             LANG, TERM  [profile default:3]
ids          uid 0 ← 1000, 1-65536 ← 100000-165535
             gid 1000, written by newuidmap and newgidmap
namespaces   user: no privilege outside
             mnt, pid
hostname     cove
network      none: nothing but the sandbox's own loopback
terminal     keep: no terminal  [flag --tty]
limits       files 1024  [profile lab:4]
             file_size 512M
             stack 1000
rights       CAP_CHOWN: package managers
             CAP_FOWNER
landlock     a second wall: 4 rules for what is shown above, all else is closed (ABI 7)  [profile lab:9]
             the host's abstract sockets are out of reach
             signals reach nothing outside
seccomp      system calls as listed by default, and those that make sandboxes in it
             allowed: ptrace
mounts       made with mount(2): this kernel lacks the newer mount calls
note         the home is slow
hint         install something
`
	if got := p.Text(); got != want[1:] {
		t.Errorf("got:\n%s", got)
	}
	if got := p.String(); got != want[1:] {
		t.Errorf("String differs from Text")
	}
	got := p.LongText()
	for _, want := range []string{"LANG=C.UTF-8", `TERM=xterm\x1b`,
		"\n             /            list                       names alone\n",
		"\n             /da\\nta      list,read,exec  [flag --ro]\n",
		"\n             stdin        read                       can be opened again\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

// A Plan of nothing prints, too: a golden of a failed pass shall show what there is.
func TestEmptyPlanText(t *testing.T) {
	got := new(Plan).Text()
	for _, want := range []string{"run (no program)\n", "seccomp      none\n", "rights       no capabilities"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
