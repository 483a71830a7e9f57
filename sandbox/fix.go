package sandbox

import (
	"path"
	"slices"
	"strings"
	"unicode"

	"cove/internal/escape"
)

// A Fix is what mends a Finding: the file is written first, then the commands are run. Its names in JSON are stable.
type Fix struct {
	Commands []string `json:"commands"` // for a shell; with sudo before them where the user is not root
	File     string   `json:"file"`     // what an administrator writes Text to; "" is nothing
	Text     string   `json:"text"`
	Advice   string   `json:"advice"` // in words, what no command can do, or what must follow

	admin string // how an administrator is made
}

// Script is the fix for a shell, with the advice as a comment.
func (f *Fix) Script() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.admin + "mkdir -p " + escape.Word(path.Dir(f.File)) + "\n")
		b.WriteString(f.admin + "tee " + escape.Word(f.File) + " >/dev/null <<'END'\n" + f.Text + "END\n")
	}
	for _, c := range f.Commands {
		b.WriteString(c + "\n")
	}
	if f.Advice != "" {
		b.WriteString("# " + escape.Text(f.Advice) + "\n")
	}
	return b.String()
}

// root tells whether the user is an administrator already. In a user namespace 0 is none.
func (m *Machine) root() bool { return m.User.UID == 0 && !m.Around.Nested }

func (m *Machine) sudo() string {
	if m.root() {
		return ""
	}
	return "sudo "
}

// byAdmin makes a Fix of commands that an administrator runs.
func (m *Machine) byAdmin(commands ...string) *Fix {
	f := &Fix{Commands: []string{}, admin: m.sudo()}
	for _, c := range commands {
		f.Commands = append(f.Commands, f.admin+c)
	}
	return f
}

// byUser makes a Fix of commands that the user runs.
//
// No command of a Fix takes anything away, for it may be run unread: what does is advice.
func byUser(commands ...string) *Fix { return &Fix{Commands: commands} }

func advise(text string) *Fix { return &Fix{Commands: []string{}, Advice: text} }

func (f *Fix) advise(text string) *Fix {
	f.Advice = text
	return f
}

// write adds a file.
func (f *Fix) write(file, text string) *Fix {
	f.File, f.Text = file, text
	return f
}

// A family is a sort of distributions that is administered alike.
type family struct {
	id      string // in ID or ID_LIKE of os-release(5)
	install string // what installs packages, without asking: it may read from a pipe
	fuse    string // the package of fuse-overlayfs
	idmap   string // that of newuidmap
	boot    bootConfig
}

// bootConfig is how a word is added to the kernel's command line.
type bootConfig string

const (
	grubD  bootConfig = "grub.d" // /etc/default/grub.d/*.cfg and update-grub
	grubby bootConfig = "grubby" // grubby(8)
)

var families = []family{
	{"debian", "apt-get install -y", "fuse-overlayfs", "uidmap", grubD},
	{"ubuntu", "apt-get install -y", "fuse-overlayfs", "uidmap", grubD},
	{"fedora", "dnf install -y", "fuse-overlayfs", "shadow-utils", grubby},
	{"rhel", "dnf install -y", "fuse-overlayfs", "shadow-utils", grubby},
	{"arch", "pacman -S --needed --noconfirm", "fuse-overlayfs", "shadow", ""},
	{"opensuse", "zypper --non-interactive install", "fuse-overlayfs", "shadow", ""},
	{"suse", "zypper --non-interactive install", "fuse-overlayfs", "shadow", ""},
	{"alpine", "apk add", "fuse-overlayfs", "shadow-uidmap", ""},
}

// family is the machine's, or one of which nothing is known.
func (m *Machine) family() family {
	for _, id := range m.Distro {
		if i := slices.IndexFunc(families, func(f family) bool { return f.id == id }); i >= 0 {
			return families[i]
		}
	}
	return family{}
}

// installs is the Fix that installs a program: pkg is its package in the machine's family.
func (m *Machine) installs(program, pkg string) *Fix {
	if pkg == "" {
		return advise("install " + program)
	}
	return m.byAdmin(m.family().install + " " + pkg)
}

// boots is the Fix that adds a word to the kernel's command line. name is for a file that may have to be made.
func (m *Machine) boots(name, word string) *Fix {
	switch {
	case m.outside():
		return advise("on the host, add to the kernel's command line: " + word)
	case m.family().boot == grubD:
		return m.byAdmin("update-grub").
			write("/etc/default/grub.d/"+name+".cfg", `GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT `+word+"\"\n").
			advise("then reboot; a machine that does not boot by GRUB has the kernel's command line elsewhere")
	case m.family().boot == grubby:
		return m.byAdmin("grubby --update-kernel=ALL --args=" + word).advise("then reboot")
	}
	return advise("add to the kernel's command line, and reboot: " + word)
}

// outside tells whether the kernel's settings are another's to make: we are in a container or a sandbox.
func (m *Machine) outside() bool { return m.Around.Sealed || m.Around.Nested }

// loads is the Fix that loads a module of the kernel, now and at every boot (modules-load.d(5), or /etc/modules).
func (m *Machine) loads(module string) *Fix {
	f := m.byAdmin("modprobe " + module)
	if m.Systemd {
		f.write("/etc/modules-load.d/"+module+".conf", module+"\n")
	}
	return f
}

// opens is the Fix that lets everybody open a device, as udev's own rules do (systemd, 50-udev-default.rules).
func (m *Machine) opens(device, kernel string) *Fix {
	f := m.byAdmin("chmod 666 " + device)
	if m.Systemd {
		f.write("/etc/udev/rules.d/99-cove-"+kernel+".rules", `KERNEL=="`+kernel+"\", MODE=\"0666\"\n")
	}
	return f
}

// AppArmorFix is the profile that lets the program at self make user namespaces, where AppArmor restricts them, and
// what loads it. The profile confines nothing, as those that Ubuntu ships for such programs
// (https://ubuntu.com/blog/ubuntu-23-10-restricted-unprivileged-user-namespaces). Profile and file are named after the
// path, as is the custom, so that two coves do not take each other's.
func AppArmorFix(self, sudo string) *Fix {
	if self == "" || self[0] != '/' || !plainPath(self) {
		return advise("install cove where its path has no character that AppArmor could take for more than a character: /usr/local/bin/cove")
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r == '/':
			return '.'
		case simple(r):
			return r
		}
		return '_'
	}, self[1:])
	attach := self
	if strings.ContainsFunc(self, func(r rune) bool { return r != '/' && !simple(r) }) {
		attach = `"` + self + `"`
	}
	if strings.Contains(self, "/go-build") {
		return advise("this cove was made by go run, and will be gone soon: install it (make install), and run that one's cove doctor")
	}
	f := &Fix{admin: sudo, Commands: []string{sudo + "apparmor_parser -r " + escape.Word("/etc/apparmor.d/"+name)}}
	return f.write("/etc/apparmor.d/"+name, `# cove makes user namespaces, which AppArmor allows here to programs with a profile only.
# This one confines nothing.
abi <abi/4.0>,
include <tunables/global>

profile `+name+` `+attach+` flags=(unconfined) {
  userns,

  include if exists <local/`+name+`>
}
`)
}

// plainPath tells whether a path means itself in a profile, between quotation marks at most: apparmor.d(5) has
// patterns, variables and escapes. The profile is for a file that root reads.
func plainPath(p string) bool {
	return !strings.ContainsFunc(p, func(r rune) bool {
		return r == unicode.ReplacementChar || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._+-~= ", r)
	})
}

// simple tells whether a character is none of AppArmor's, nor of a shell's, without quotation marks.
func simple(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-", r))
}
