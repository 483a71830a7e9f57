package profiles

import (
	"fmt"
	"slices"
	"strings"
)

// A pathSet is a named list of paths. A member "@name" stands for the members of another.
type pathSet struct {
	name, doc string
	members   []string

	// Of a file's own set.
	at   *node
	busy bool
}

// builtinSets are known to every profile. Their paths are those that programs use on Linux where no variable says
// otherwise; what the XDG directories hold is taken to be at the default places.
//
// All but the last two are in the home: in another root (process.root) the same path of the system would be another file.
var builtinSets = []pathSet{
	{name: "secrets", doc: "All of the sets below: what a stranger's program has no business with.",
		members: []string{"@ssh", "@credentials", "@keyrings", "@passwords", "@browsers", "@messengers", "@vpn", "@history"}},
	{name: "ssh", doc: "SSH and GnuPG keys.",
		members: []string{"~/.ssh", "~/.gnupg", "~/.pki", "~/.putty", "~/.config/age", "~/.config/sops", "~/.age"}},
	{name: "credentials", doc: "Credentials of clouds, package managers, git and its hosts, and databases.",
		members: []string{"@cloud", "@packages", "@git", "~/.netrc", "~/.authinfo", "~/.authinfo.gpg", "~/.pgpass", "~/.my.cnf", "~/.mylogin.cnf",
			"~/.config/rclone", "~/.rclone.conf", "~/.smbcredentials", "~/.msmtprc", "~/.config/msmtp", "~/.fetchmailrc", "~/.mbsyncrc", "~/.vault-token"}},
	{name: "cloud", doc: "Cloud and cluster tools.",
		members: []string{"~/.aws", "~/.azure", "~/.config/gcloud", "~/.kube", "~/.config/doctl", "~/.fly", "~/.terraform.d/credentials.tfrc.json",
			"~/.terraformrc", "~/.config/hcloud", "~/.config/scw", "~/.oci", "~/.config/linode-cli", "~/.linode-cli", "~/.config/heroku", "~/.config/netlify",
			"~/.config/.wrangler", "~/.wrangler", "~/.local/share/com.vercel.cli", "~/.config/openstack", "~/.s3cfg", "~/.boto", "~/.pulumi/credentials.json"}},
	{name: "packages", doc: "Package managers and image registries.",
		members: []string{"~/.npmrc", "~/.yarnrc", "~/.yarnrc.yml", "~/.config/pnpm/rc", "~/.pypirc", "~/.config/pypoetry/auth.toml", "~/.config/uv/credentials",
			"~/.cargo/credentials", "~/.cargo/credentials.toml", "~/.gem/credentials", "~/.local/share/gem/credentials", "~/.bundle/config", "~/.docker/config.json", "~/.config/containers/auth.json",
			"~/.composer/auth.json", "~/.config/composer/auth.json", "~/.gradle/gradle.properties", "~/.m2/settings.xml", "~/.m2/settings-security.xml",
			"~/.nuget/NuGet/NuGet.Config", "~/.config/NuGet/NuGet.Config", "~/.hex/hex.config", "~/.config/hub", "~/.condarc", "~/.huggingface/token", "~/.cache/huggingface/token"}},
	{name: "git", doc: "Passwords and tokens for git and its hosts.",
		members: []string{"~/.git-credentials", "~/.config/git/credentials", "~/.git-credential-cache", "~/.cache/git/credential", "~/.config/gh", "~/.config/github-copilot", "~/.config/glab-cli",
			"~/.config/tea", "~/.config/GitHub Desktop"}},
	{name: "keyrings", doc: "Keyrings of the desktop.",
		members: []string{"~/.local/share/keyrings", "~/.gnome2/keyrings", "~/.local/share/kwalletd", "~/.kde/share/apps/kwallet", "~/.kde4/share/apps/kwallet", "~/.config/goa-1.0"}},
	{name: "passwords", doc: "Password stores and managers.",
		members: []string{"~/.password-store", "~/.local/share/gopass", "~/.config/gopass", "~/.config/keepassxc", "~/.cache/keepassxc", "~/.config/KeePass", "~/.keepass",
			"~/.config/Bitwarden", "~/.config/Bitwarden CLI", "~/.config/1Password", "~/.config/op", "~/.op", "~/.lastpass", "~/.local/share/lpass", "~/.config/Enpass", "~/.config/pass-cli", "~/.config/rbw", "~/.local/share/rbw"}},
	{name: "browsers", doc: "Profiles of browsers and of mail programs: cookies, passwords, mail.",
		members: []string{"~/.mozilla", "~/.config/mozilla", "~/.cache/mozilla", "~/.thunderbird", "~/.cache/thunderbird", "~/.librewolf", "~/.waterfox", "~/.floorp", "~/.zen", "~/.config/zen",
			"~/.config/google-chrome", "~/.config/google-chrome-beta", "~/.config/google-chrome-unstable", "~/.cache/google-chrome",
			"~/.config/chromium", "~/.cache/chromium", "~/.config/BraveSoftware", "~/.cache/BraveSoftware", "~/.config/vivaldi", "~/.cache/vivaldi",
			"~/.config/opera", "~/.cache/opera", "~/.config/microsoft-edge", "~/.cache/microsoft-edge", "~/.local/share/qutebrowser", "~/.local/share/epiphany",
			"~/.config/evolution", "~/.local/share/evolution", "~/.cache/evolution", "~/.local/share/kmail2", "~/.local/share/geary", "~/.local/share/torbrowser",
			"~/.var/app", "~/snap"}}, // flatpak and snap keep the same things there, for browsers, mail and messengers
	{name: "messengers", doc: "Messengers.",
		members: []string{"~/.config/Signal", "~/.local/share/TelegramDesktop", "~/.config/discord", "~/.config/discordcanary", "~/.config/vesktop", "~/.config/Slack", "~/.config/Element",
			"~/.config/Microsoft/Microsoft Teams", "~/.config/teams-for-linux", "~/.config/skypeforlinux", "~/.config/WhatsApp", "~/.purple", "~/.zoom", "~/.config/zoom.conf", "~/.config/hexchat", "~/.weechat", "~/.config/weechat", "~/.irssi"}},
	{name: "vpn", doc: "VPN keys.",
		members: []string{"~/.config/wireguard", "~/.wireguard", "~/.config/openvpn", "~/.openvpn", "~/.cert", "~/.config/mullvad", "~/.config/protonvpn", "~/.config/tailscale"}},
	{name: "history", doc: "Histories of shells, databases and interpreters: they hold what was typed, passwords too.",
		members: []string{"~/.bash_history", "~/.zsh_history", "~/.zhistory", "~/.histfile", "~/.local/share/zsh", "~/.local/state/zsh", "~/.local/share/fish/fish_history", "~/.config/fish/fish_history",
			"~/.ash_history", "~/.sh_history", "~/.ksh_history", "~/.mksh_history", "~/.local/share/atuin", "~/.local/share/nushell", "~/.config/nushell/history.txt",
			"~/.psql_history", "~/.mysql_history", "~/.mariadb_history", "~/.sqlite_history", "~/.rediscli_history", "~/.mongosh", "~/.dbshell",
			"~/.python_history", "~/.node_repl_history", "~/.irb_history", "~/.lesshst", "~/.local/state/less/history", "~/.viminfo", "~/.local/share/recently-used.xbel", "~/.local/state/bash", "~/.local/state/python_history", "~/.wget-hsts"}},
	{name: "sockets", doc: "Where daemons listen in /var, to whom read-only means nothing: LXD, Incus and snaps (who may speak to the first two is as good as root), MySQL. It counts over the host's own root.",
		members: []string{"/var/lib/lxd", "/var/lib/incus", "/var/snap", "/var/lib/mysql"}},
	{name: "system-secrets", doc: "What only root may read of the system: password hashes, private keys, logs, databases. It counts where root runs cove, over the host's own root.",
		members: []string{"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/security/opasswd", "/etc/krb5.keytab",
			"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_dsa_key",
			"/etc/ssl/private", "/etc/pki/tls/private", "/etc/letsencrypt", "/etc/ipsec.secrets", "/etc/ipsec.d/private", "/etc/swanctl/private", "/etc/wireguard", "/etc/openvpn",
			"/etc/ppp/chap-secrets", "/etc/ppp/pap-secrets", "/etc/NetworkManager/system-connections", "/etc/wpa_supplicant", "/etc/cryptsetup-keys.d", "/etc/credstore", "/etc/credstore.encrypted",
			"/etc/kubernetes", "/etc/rancher", "/etc/mysql/debian.cnf", "/etc/postfix/sasl_passwd", "/etc/exim4/passwd.client", "/etc/samba/private", "/etc/apt/auth.conf", "/etc/apt/auth.conf.d",
			"/var/log", "/var/backups", "/var/mail", "/var/spool", "/var/crash",
			"/var/lib/systemd", "/var/lib/private", "/var/lib/NetworkManager", "/var/lib/iwd", "/var/lib/bluetooth", "/var/lib/sss", "/var/lib/samba", "/var/lib/tailscale", "/var/lib/cloud",
			"/var/lib/postgresql", "/var/lib/pgsql", "/var/lib/redis", "/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/rancher", "/var/lib/libvirt"}},
}

// SetNames are the names of the built-in sets, without @.
func SetNames() (names []string) {
	for i := range builtinSets {
		names = append(names, builtinSets[i].name)
	}
	return names
}

// BuiltinSet expands a built-in path set, named without its @.
func BuiltinSet(name string) (paths []string, ok bool) {
	for i := range builtinSets {
		if builtinSets[i].name != name {
			continue
		}
		for _, m := range builtinSets[i].members {
			if rest, isSet := strings.CutPrefix(m, "@"); isSet {
				more, _ := BuiltinSet(rest)
				paths = append(paths, more...)
				continue
			}
			paths = append(paths, m)
		}
		return paths, true
	}
	return nil, false
}

// sets reads the file's own sets.
func (p *parser) sets(v any, n *node) {
	table, ok := v.(map[string]any)
	if !ok {
		p.failAt(n.key, "sets must be a table, not "+typeName(v), "write [sets] on a line, and the sets below")
		return
	}
	for _, kid := range n.kids {
		set := pathSet{name: kid.name, at: kid}
		switch _, builtin := BuiltinSet(kid.name); {
		case builtin:
			p.failAt(kid.key, "cannot define the set "+quote(kid.name)+": it is built in", fmt.Sprintf(`choose another name; %s may be in it`, quote("@"+kid.name)))
			continue
		case strings.HasPrefix(kid.name, "@"):
			p.failAt(kid.key, "cannot define the set "+quote(kid.name), "without the @, which is for where it is used")
			continue
		}
		list, ok := table[kid.name].([]any)
		if !ok {
			p.fail(kid, fmt.Sprintf("the set %s must be a list of paths, not %s", quote(kid.name), typeName(table[kid.name])), "")
			continue
		}
		for i, item := range list {
			s, ok := item.(string)
			at := kid
			if i < len(kid.kids) {
				at = kid.kids[i]
			}
			if !ok {
				p.fail(at, fmt.Sprintf("the set %s holds paths, not %s", quote(kid.name), typeName(item)), "")
			} else if !strings.HasPrefix(s, "@") {
				if s, ok = p.path(s, at); ok && (s == "~" || s == "/") {
					p.fail(at, "cannot put "+quote(s)+" into a set", "name what is in it")
					ok = false
				}
			}
			if !ok {
				s = "" // keeps members and kids side by side
			}
			set.members = append(set.members, s)
		}
		p.own = append(p.own, set)
	}
	// What a set refers to may be defined behind it.
	for i := range p.own {
		p.expand(&p.own[i], func(string) {})
	}
}

// expand calls add for every path of a file's own set.
func (p *parser) expand(set *pathSet, add func(path string)) {
	if set.busy {
		return
	}
	set.busy = true
	defer func() { set.busy = false }()
	for i, m := range set.members {
		rest, isSet := strings.CutPrefix(m, "@")
		switch {
		case m == "":
		case !isSet:
			add(m)
		default:
			if inner := p.ownSet(rest); inner != nil {
				if inner.busy {
					p.fail(set.at.kids[i], fmt.Sprintf("the set %s holds itself", quote("@"+rest)), "")
					set.members[i] = "" // say it once
				}
				p.expand(inner, add)
			} else if paths, ok := BuiltinSet(rest); ok {
				for _, path := range paths {
					add(path)
				}
			} else {
				p.unknownSet(m, set.at.kids[i])
				set.members[i] = ""
			}
		}
	}
}

func (p *parser) ownSet(name string) *pathSet {
	for i := range p.own {
		if p.own[i].name == name {
			return &p.own[i]
		}
	}
	return nil
}

// throughSet calls add for every path of the set that "@name" at n refers to.
func (p *parser) throughSet(ref string, n *node, add func(path string)) {
	p.setName = ref
	defer func() { p.setName = "" }()
	if own := p.ownSet(ref[1:]); own != nil {
		p.expand(own, add)
		return
	}
	paths, ok := BuiltinSet(ref[1:])
	if !ok {
		p.unknownSet(ref, n)
		return
	}
	// There may be hundreds.
	p.layer.Spec.Masks = slices.Grow(p.layer.Spec.Masks, len(paths))
	for _, path := range paths {
		add(path)
	}
}

func (p *parser) unknownSet(ref string, n *node) {
	var names []string
	for i := range builtinSets {
		names = append(names, "@"+builtinSets[i].name)
	}
	for i := range p.own {
		names = append(names, "@"+p.own[i].name)
	}
	hint := didYouMean(ref, names)
	if hint == "" {
		hint = "there are " + strings.Join(names, ", ")
	}
	p.fail(n, "unknown path set "+quote(ref), hint)
}
