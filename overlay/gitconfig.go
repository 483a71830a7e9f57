package overlay

import (
	"slices"
	"strings"
)

// gitHarmless are the keys of git's configuration (git-config(1), git 2.50) that name no command, no file that is read
// as more configuration, no other repository, and let nobody in. Case does not count; * stands for any name in the
// middle, and at the end for any key. All that is not here is taken for a command: git gets new ones.
const gitHarmless = " core.repositoryformatversion core.filemode core.bare core.logallrefupdates core.ignorecase core.precomposeunicode core.protecthfs core.protectntfs " +
	"core.symlinks core.autocrlf core.eol core.safecrlf core.quotepath core.abbrev core.compression core.loosecompression core.bigfilethreshold core.untrackedcache " +
	"core.preloadindex core.sharedrepository core.whitespace core.splitindex core.checkstat core.trustctime core.commentchar core.commentstring core.fsync core.fscache core.longpaths " +
	"core.multipackindex core.commitgraph core.sparsecheckout core.sparsecheckoutcone " +
	"remote.*.url remote.*.pushurl remote.*.fetch remote.*.push remote.*.tagopt remote.*.prune remote.*.prunetags remote.*.mirror remote.*.promisor remote.*.partialclonefilter remote.*.skipfetchall " +
	"remote.*.followremotehead remote.*.gh-resolved remote.pushdefault branch.*.remote branch.*.pushremote branch.*.merge branch.*.rebase branch.*.description branch.*.mergeoptions " +
	"branch.*.vscode-merge-base branch.*.github-pr-owner-number branch.autosetupmerge branch.autosetuprebase branch.sort submodule.*.url submodule.*.active submodule.*.branch submodule.*.ignore submodule.*.update " +
	"submodule.*.fetchrecursesubmodules submodule.active submodule.recurse submodule.fetchjobs submodule.propagatebranches " +
	"user.name user.email user.signingkey user.useconfigonly author.name author.email committer.name committer.email init.defaultbranch init.defaultobjectformat init.defaultrefformat " +
	"pull.rebase pull.ff push.default push.autosetupremote push.followtags push.gpgsign fetch.prune fetch.prunetags fetch.parallel fetch.writecommitgraph fetch.showforcedupdates " +
	"merge.conflictstyle merge.ff merge.renames merge.renamelimit merge.log merge.stat merge.autostash diff.algorithm diff.renames diff.renamelimit diff.mnemonicprefix diff.noprefix diff.colormoved " +
	"diff.colormovedws diff.context diff.interhunkcontext diff.submodule diff.wserrorhighlight diff.indentheuristic diff.statgraphwidth rebase.autosquash rebase.autostash rebase.updaterefs rebase.abbreviatecommands " +
	"rebase.missingcommitscheck rerere.enabled rerere.autoupdate color.* status.* log.* commit.verbose commit.gpgsign commit.status commit.cleanup tag.sort tag.gpgsign tag.forcesignannotated gc.* pack.* index.* feature.* " +
	"advice.* column.* stash.* grep.linenumber grep.patterntype grep.column grep.extendedregexp blame.coloring blame.date blame.showroot apply.whitespace apply.ignorewhitespace i18n.* versionsort.* " +
	"extensions.worktreeconfig extensions.objectformat extensions.refstorage extensions.preciousobjects extensions.compatobjectformat extensions.relativeworktrees extensions.partialclone " +
	"transfer.fsckobjects fetch.fsckobjects receive.fsckobjects receive.denycurrentbranch receive.denynonfastforwards format.pretty help.autocorrect lfs.repositoryformatversion clone.defaultremotename checkout.defaultremote checkout.workers " +
	"maintenance.auto maintenance.strategy credential.username credential.*.username "

// gitURLs are keys of those whose value may be a command all the same: "ext::sh -c …" (git-remote-ext(1)), an option of
// ssh where the host should be, or "!command" (git-submodule(1), update).
const gitURLs = " remote.*.url remote.*.pushurl submodule.*.url branch.*.remote branch.*.pushremote submodule.*.update "

// gitCommands lists, in order, what in a git configuration file may run something: "core.fsmonitor=./x". Where ok is
// false it is no configuration that git would read (config.c, git_parse_source).
func gitCommands(text string) (list []string, ok bool) {
	p := gitParser{text: strings.TrimPrefix(text, "\ufeff")}
	for {
		key, value, more, ok := p.next()
		switch {
		case !ok:
			return nil, false
		case !more:
			return list, true
		case !harmless(key, value):
			list = append(list, key+"="+value)
		}
	}
}

// gitDiffers names the keys in which two lists of gitCommands differ, at most a few.
func gitDiffers(before, after []string) (keys []string) {
	for _, side := range [2][2][]string{{after, before}, {before, after}} {
		for _, entry := range side[0] {
			key, _, _ := strings.Cut(entry, "=")
			if !slices.Contains(side[1], entry) && !slices.Contains(keys, key) {
				if keys = append(keys, key); len(keys) == 4 {
					return append(keys, "…")
				}
			}
		}
	}
	if keys == nil && !slices.Equal(before, after) { // in order, or in number: of several, the last counts
		key, _, _ := strings.Cut(slices.Concat(after, before)[0], "=")
		keys = append(keys, key)
	}
	return keys
}

func harmless(key, value string) bool {
	section, rest, _ := strings.Cut(key, ".")
	name := key
	if i := strings.LastIndexByte(rest, '.'); i >= 0 { // a name in the middle, which may hold anything
		name = section + ".*." + rest[i+1:]
	}
	name = " " + name + " "
	if !strings.Contains(gitHarmless, name) && !strings.Contains(gitHarmless, " "+section+".* ") {
		return false
	}
	return !strings.Contains(gitURLs, name) || !strings.Contains(value, "::") && !strings.HasPrefix(value, "-") && !strings.HasPrefix(value, "!") && !strings.Contains(value, "//-")
}

// A gitParser reads git's configuration, as git does.
type gitParser struct {
	text    string
	i       int
	section string
}

func (p *gitParser) peek() byte {
	if p.i < len(p.text) {
		return p.text[p.i]
	}
	return 0
}

// next returns the next key, as section.name or section.subsection.name: in lower case but for the subsection.
func (p *gitParser) next() (key, value string, more, ok bool) {
	for p.i < len(p.text) {
		switch c := p.text[p.i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			p.i++
		case c == '#' || c == ';':
			p.comment()
		case c == '[':
			if !p.header() {
				return "", "", false, false
			}
		case isLetter(c):
			start := p.i
			for isLetter(p.peek()) || p.peek() >= '0' && p.peek() <= '9' || p.peek() == '-' {
				p.i++
			}
			key = p.section + "." + lowerASCII(p.text[start:p.i])
			value, ok = p.value()
			return key, value, true, ok && p.section != ""
		default:
			return "", "", false, false
		}
	}
	return "", "", false, true
}

func (p *gitParser) comment() {
	for p.i < len(p.text) && p.text[p.i] != '\n' {
		p.i++
	}
}

// header reads [section] or [section "subsection"].
func (p *gitParser) header() bool {
	p.i++
	start := p.i
	for isLetter(p.peek()) || p.peek() >= '0' && p.peek() <= '9' || p.peek() == '-' || p.peek() == '.' {
		p.i++
	}
	p.section = lowerASCII(p.text[start:p.i])
	if p.section == "" {
		return false
	}
	if p.peek() == ' ' || p.peek() == '\t' {
		for p.peek() == ' ' || p.peek() == '\t' {
			p.i++
		}
		if p.peek() != '"' {
			return false
		}
		sub, ok := p.quoted()
		if !ok {
			return false
		}
		p.section += "." + sub
	}
	if p.peek() != ']' {
		return false
	}
	p.i++
	return true
}

func (p *gitParser) quoted() (string, bool) {
	var b strings.Builder
	for p.i++; p.i < len(p.text); p.i++ {
		switch c := p.text[p.i]; c {
		case '"':
			p.i++
			return b.String(), true
		case '\n':
			return "", false
		case '\\':
			if p.i++; p.i == len(p.text) || p.text[p.i] == '\n' {
				return "", false
			}
			b.WriteByte(p.text[p.i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// value reads what stands behind a key, up to the end of the line. Nothing means true.
func (p *gitParser) value() (string, bool) {
	for p.peek() == ' ' || p.peek() == '\t' {
		p.i++
	}
	switch {
	case p.i == len(p.text) || p.peek() == '\n' || p.peek() == '\r':
		return "true", true
	case p.peek() != '=':
		return "", false
	}
	p.i++
	var b strings.Builder
	inQuotes, trim := false, 0
	for ; p.i < len(p.text); p.i++ {
		switch c := p.text[p.i]; {
		case c == '\n':
			return b.String()[:trim], !inQuotes
		case !inQuotes && (c == ' ' || c == '\t' || c == '\r'):
			if b.Len() > 0 {
				b.WriteByte(c)
			}
		case !inQuotes && (c == '#' || c == ';'):
			p.comment()
			return b.String()[:trim], true
		case c == '"':
			inQuotes = !inQuotes
			trim = b.Len()
		case c == '\\':
			p.i++
			switch e := p.peek(); e {
			case '\n':
				continue
			case '\r':
				if p.i+1 < len(p.text) && p.text[p.i+1] == '\n' {
					p.i++
					continue
				}
				return "", false
			case 't', 'n', 'b':
				b.WriteByte("\t\n\b"[strings.IndexByte("tnb", e)])
			case '"', '\\':
				b.WriteByte(e)
			default:
				return "", false
			}
			trim = b.Len()
		default:
			b.WriteByte(c)
			trim = b.Len()
		}
	}
	return b.String()[:trim], !inQuotes
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// lowerASCII is what git makes of names of sections and keys.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
