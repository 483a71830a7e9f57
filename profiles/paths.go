package profiles

import (
	"fmt"
	"path"
	"strings"

	"cove/sandbox"
)

// path reads one path as a Spec has it, or says what is wrong with it.
func (p *parser) path(s string, n *node) (string, bool) {
	clean, why, hint := cleanPath(s, n == nil)
	if why != "" {
		p.fail(n, fmt.Sprintf("cannot use the path %s: %s", quote(s), why), hint)
		return "", false
	}
	if n == nil && p.cwd != "" && !path.IsAbs(clean) && !inHome(clean) {
		clean = path.Join(p.cwd, clean)
	}
	return clean, true
}

// cleanPath brings a path into the form in which paths of layers are compared. On the command line (shell) any
// relative path will do, as the shell has already expanded patterns and variables.
func cleanPath(s string, shell bool) (clean, why, hint string) {
	switch {
	case s == "":
		return "", "it is empty", ""
	case strings.ContainsRune(s, 0):
		return "", "it holds a zero byte", ""
	case s == "~" || s == "/" || s == ".":
		return s, "", ""
	case strings.HasPrefix(s, "~/") || s[0] == '/' || strings.HasPrefix(s, "./"):
	case s[0] == '~' && !shell:
		return "", "other people's homes are not known here", `write "~/…" for yours`
	case s[0] == '$' && !shell:
		return "", "variables are not replaced", `write "~/…" for your home`
	case s[0] == '?' && !shell:
		return "", "it is relative", fmt.Sprintf("for what may be missing: {path = %s, optional = true}", quote(s[1:]))
	case shell:
		s = "./" + s
	default:
		return "", "it is relative", fmt.Sprintf(`begin it with "~/", "/", or with "./" for the directory that cove is started in: %s`, quote("~/"+s))
	}
	up := strings.HasSuffix(s, "/..") || strings.Contains(s, "/../")
	switch {
	case !shell && strings.Contains(s, "*"):
		return "", "patterns are not known here", "name the directory that holds them"
	case up && (!shell || s[0] == '~'):
		// Where a link is before it, it leads elsewhere than the text says.
		return "", `".." is not allowed here`, "write where it leads to"
	}
	clean = path.Clean(s)
	if s[0] == '.' && clean != "." {
		clean = "./" + clean // as the Spec has relative paths
	}
	return clean, "", ""
}

// inHome tells whether a path is the home or in it.
func inHome(p string) bool { return p == "~" || strings.HasPrefix(p, "~/") }

// within tells whether p is dir or in it, as text.
func within(p, dir string) bool {
	rest, ok := strings.CutPrefix(p, strings.TrimSuffix(dir, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// inside is where a grant is seen.
func inside(g sandbox.Grant) string {
	if g.Target != "" {
		return g.Target
	}
	return g.Source
}

func readGrants(p *parser, k *key, v any, n *node) {
	access := sandbox.ReadOnly
	if k.name == "files.rw" {
		access = sandbox.ReadWrite
	}
	p.items(k, v, n, func(v any, n *node) {
		switch v := v.(type) {
		case string:
			p.grantText(v, access, n)
		case map[string]any:
			p.grantTable(v, access, n)
		default:
			p.fail(n, fmt.Sprintf("%s holds paths, not %s", k.name, typeName(v)), `"PATH", "SRC:DST" or {path = …, target = …, optional = true}`)
		}
	})
}

func (p *parser) grantText(s string, access sandbox.Access, n *node) {
	if strings.HasPrefix(s, "@") {
		if access == sandbox.ReadWrite {
			p.fail(n, "cannot let in the set "+quote(s)+" for writing", "name the paths")
			return
		}
		p.throughSet(s, n, func(path string) {
			p.grant(sandbox.Grant{Source: path, Access: access, Optional: true}, n)
		})
		return
	}
	source, target, two := strings.Cut(s, ":")
	if two && (source == "" || target == "" || strings.Contains(target, ":")) {
		p.fail(n, "cannot split "+quote(s)+" into SRC:DST", "where a colon is part of the path: {path = …, target = …}")
		return
	}
	g := sandbox.Grant{Access: access}
	ok := true
	if g.Source, ok = p.path(source, n); !ok {
		return
	}
	if two {
		if g.Target, ok = p.path(target, n); !ok {
			return
		}
	}
	p.grant(g, n)
}

// grantKeys are those of a grant's inline table.
var grantKeys = []string{"path", "target", "optional"}

func (p *parser) grantTable(t map[string]any, access sandbox.Access, n *node) {
	g, ok := sandbox.Grant{Access: access}, true
	for _, kid := range n.kids {
		v := t[kid.name]
		switch kid.name {
		case "path", "target":
			s, isText := v.(string)
			if !isText {
				p.fail(kid, fmt.Sprintf("%s must be a path, not %s", kid.name, typeName(v)), "")
				ok = false
				continue
			}
			clean, fine := p.path(s, kid)
			ok = ok && fine
			if kid.name == "path" {
				g.Source = clean
			} else {
				g.Target = clean
			}
		case "optional":
			if g.Optional, _ = v.(bool); v != true && v != false {
				p.fail(kid, fmt.Sprintf("optional must be true or false, not %s", typeName(v)), "")
				ok = false
			}
		default:
			p.failAt(kid.key, "unknown key "+quote(kid.name)+" of a path", didYouMean(kid.name, grantKeys))
			ok = false
		}
	}
	if _, has := t["path"]; !has && ok {
		p.fail(n, "cannot let this in: it has no path", "{path = …, target = …, optional = true}")
		ok = false
	}
	if ok {
		p.grant(g, n)
	}
}

func (p *parser) grant(g sandbox.Grant, n *node) {
	g.From = p.origin(n)
	if g.Target == g.Source {
		g.Target = ""
	}
	p.layer.Spec.Grants = append(p.layer.Spec.Grants, g)
	p.grantAt = append(p.grantAt, n)
}

func readMasks(p *parser, k *key, v any, n *node) {
	p.texts(k, v, n, func(s string, n *node) {
		if strings.HasPrefix(s, "@") {
			p.throughSet(s, n, func(path string) { p.mask(path, n) })
			return
		}
		clean, ok := p.path(s, n)
		switch {
		case !ok:
		case clean == "~":
			p.fail(n, "cannot hide the whole home", `home.mode = "none", or "tmpfs" for an empty one`)
		case clean == "/":
			p.fail(n, "cannot hide everything", "name what is to be hidden")
		default:
			p.mask(clean, n)
		}
	})
}

func (p *parser) mask(path string, n *node) {
	p.layer.Spec.Masks = append(p.layer.Spec.Masks, sandbox.Mask{Path: path, From: p.origin(n)})
	p.maskAt = append(p.maskAt, n)
}
