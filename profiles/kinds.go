package profiles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cove/internal/seccomp"
	"cove/sandbox"
)

// A shape is what a value looks like in TOML.
type shape int

const (
	shapeText shape = iota
	shapeBool
	shapeInt
	shapeList  // of strings; of grants, inline tables too
	shapeTable // of strings
)

// A kind is a sort of value: how it is named, how it looks and how it is read into the parser's layer.
type kind struct {
	says  string // "a string"
	shape shape
	read  func(p *parser, k *key, v any, n *node)
}

var (
	kindDescription  = kind{"a string", shapeText, readDescription}
	kindText         = kind{"a string", shapeText, readText}
	kindPathText     = kind{"a path", shapeText, readPath}
	kindWord         = kind{"a word", shapeText, readWord}
	kindUserID       = kind{"a word or a number", shapeText, readUserID}
	kindBoolean      = kind{"true or false", shapeBool, readBool}
	kindCount        = kind{"a number", shapeInt, readCount}
	kindBytes        = kind{"a size", shapeText, readSize}
	kindProfileNames = kind{"a list of profiles", shapeList, readProfiles}
	kindGrantsRO     = kind{"a list of paths", shapeList, readGrants}
	kindGrantsRW     = kind{"a list of paths", shapeList, readGrants}
	kindMasks        = kind{"a list of paths", shapeList, readMasks}
	kindEnvPass      = kind{"a list of variables", shapeList, readEnv}
	kindEnvDrop      = kind{"a list of variables", shapeList, readEnv}
	kindEnvSet       = kind{"a table of variables", shapeTable, readEnvSet}
	kindDevices      = kind{"a list of devices", shapeList, readDevices}
	kindCallsAllow   = kind{"a list of system calls", shapeList, readCalls}
	kindCallsDeny    = kind{"a list of system calls", shapeList, readCalls}
)

func readDescription(p *parser, k *key, v any, n *node) {
	s, ok := v.(string)
	switch {
	case !ok:
		p.wrongType(k, v, n)
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		p.fail(n, "cannot use this description: it holds a control character or a newline", "one line of text")
	default:
		p.layer.Description = s
	}
}

func readText(p *parser, k *key, v any, n *node) {
	s, ok := v.(string)
	if !ok {
		p.wrongType(k, v, n)
		return
	}
	if why := k.check(s); why != "" {
		p.fail(n, fmt.Sprintf("cannot use %s as %s: %s", quote(s), k.name, why), "")
		return
	}
	*k.text(&p.layer.Spec) = sandbox.Set(s, p.origin(n))
}

func checkHostname(s string) string {
	// sethostname(2) takes up to 64 bytes; hostname(7) says which.
	if s == "" || len(s) > 64 {
		return "a host name has 1 to 64 characters"
	}
	for i, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '.') {
			return "a host name has letters, digits, hyphens and dots, and begins with a letter or a digit"
		}
	}
	return ""
}

func readPath(p *parser, k *key, v any, n *node) {
	s, ok := v.(string)
	if !ok {
		p.wrongType(k, v, n)
		return
	}
	if dir, ok := p.path(s, n); ok {
		*k.text(&p.layer.Spec) = sandbox.Set(dir, p.origin(n))
	}
}

func readWord(p *parser, k *key, v any, n *node) {
	s, ok := v.(string)
	if !ok {
		p.wrongType(k, v, n)
		return
	}
	if !slices.Contains(k.words, s) {
		hint := didYouMean(s, k.words)
		if hint == "" {
			hint = "one of " + quoteAll(k.words)
		}
		p.fail(n, fmt.Sprintf("%s cannot be %s", k.name, quote(s)), hint)
		return
	}
	*k.text(&p.layer.Spec) = sandbox.Set(s, p.origin(n))
}

func readUserID(p *parser, k *key, v any, n *node) {
	s, ok := v.(string)
	if i, isInt := v.(int64); isInt {
		s, ok = strconv.FormatInt(i, 10), true
	}
	if !ok {
		p.wrongType(k, v, n)
		return
	}
	// 2^32-1 is "no change" to setuid(2) and its relatives.
	id, err := strconv.ParseUint(s, 10, 32)
	if s != sandbox.UIDKeep && s != sandbox.UIDRoot && (err != nil || id == 1<<32-1 || strconv.FormatUint(id, 10) != s) {
		hint := didYouMean(s, []string{sandbox.UIDKeep, sandbox.UIDRoot})
		if hint == "" {
			hint = `"keep", "root" or a user id`
		}
		p.fail(n, fmt.Sprintf("identity.uid cannot be %s", quote(s)), hint)
		return
	}
	*k.text(&p.layer.Spec) = sandbox.Set(s, p.origin(n))
}

func readBool(p *parser, k *key, v any, n *node) {
	b, ok := v.(bool)
	if !ok {
		p.wrongType(k, v, n)
		return
	}
	*k.flag(&p.layer.Spec) = sandbox.Set(b, p.origin(n))
}

func readCount(p *parser, k *key, v any, n *node) {
	i, ok := v.(int64)
	switch {
	case !ok:
		p.wrongType(k, v, n)
	case i < 0:
		p.fail(n, k.name+" cannot be negative", "")
	default:
		p.limit(k, uint64(i), n)
	}
}

func readSize(p *parser, k *key, v any, n *node) {
	if i, ok := v.(int64); ok { // bytes
		v = strconv.FormatInt(i, 10)
	}
	s, ok := v.(string)
	if !ok {
		p.wrongType(k, v, n)
		return
	}
	var size Size
	if err := size.UnmarshalText([]byte(s)); err != nil {
		p.fail(n, fmt.Sprintf("cannot use %s as a size: %s", quote(s), err), sizeHint(s))
		return
	}
	p.limit(k, uint64(size), n)
}

func (p *parser) limit(k *key, value uint64, n *node) {
	_, name := k.in()
	p.layer.Spec.Limits = append(p.layer.Spec.Limits, sandbox.Limit{Name: name, Value: value, From: p.origin(n)})
}

// texts goes over the strings of a list.
func (p *parser) texts(k *key, v any, n *node, each func(s string, n *node)) {
	p.items(k, v, n, func(v any, n *node) {
		if s, ok := v.(string); ok {
			each(s, n)
			return
		}
		p.fail(n, fmt.Sprintf("%s holds strings, not %s", k.name, typeName(v)), "")
	})
}

// items goes over a list.
func (p *parser) items(k *key, v any, n *node, each func(v any, n *node)) {
	list, ok := v.([]any)
	if tables, isTables := v.([]map[string]any); isTables {
		ok = true
		for _, t := range tables {
			list = append(list, t)
		}
	}
	if !ok {
		p.wrongType(k, v, n)
		return
	}
	for i, item := range list {
		var at *node
		if n != nil {
			if at = n; i < len(n.kids) {
				at = n.kids[i]
			}
		}
		each(item, at)
	}
}

func readProfiles(p *parser, k *key, v any, n *node) {
	p.layer.Extends = []Ref{} // it was said, if only []
	p.texts(k, v, n, func(s string, n *node) {
		if s == "" {
			p.fail(n, "extends cannot name an empty profile", "")
			return
		}
		p.layer.Extends = append(p.layer.Extends, Ref{s, p.origin(n).Line})
	})
}

func readDevices(p *parser, k *key, v any, n *node) {
	p.texts(k, v, n, func(s string, n *node) {
		dev, ok := cleanDevice(s)
		if !ok {
			p.fail(n, fmt.Sprintf("cannot allow the device %s: it is not a path below /dev", quote(s)), `as "/dev/fuse" or "dri"`)
			return
		}
		p.layer.Spec.Devices = append(p.layer.Spec.Devices, sandbox.Set(dev, p.origin(n)))
	})
}

func cleanDevice(s string) (string, bool) {
	rest, abs := strings.CutPrefix(s, "/dev/")
	rest = strings.TrimSuffix(rest, "/")
	bad := rest == "" || !abs && s[0] == '/' || strings.ContainsRune(s, 0)
	for _, part := range strings.Split(rest, "/") {
		bad = bad || part == "" || part == "." || part == ".."
	}
	return "/dev/" + rest, !bad
}

func readCalls(p *parser, k *key, v any, n *node) {
	list := &p.layer.Spec.SeccompAllow
	if k.name == "seccomp.deny" {
		list = &p.layer.Spec.SeccompDeny
	}
	p.texts(k, v, n, func(s string, n *node) {
		if near, ok := seccomp.Check(s); !ok {
			hint := ""
			if near != "" {
				hint = "did you mean " + quote(near) + "?"
			}
			p.fail(n, "unknown system call "+quote(s), hint)
			return
		}
		*list = append(*list, sandbox.Set(s, p.origin(n)))
	})
}
