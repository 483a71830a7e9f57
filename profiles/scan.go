package profiles

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A span is a piece of a text: byte offsets.
type span struct{ start, end int32 }

// A node says where a key and its value are written. Nodes form the same tree as the decoded document: the kids of
// a table are its keys, in the order in which they were first written; the kids of an array its items.
//
// The TOML library validates and decodes; it does not tell where a value is. So a second, light pass over the same
// text finds out. It may assume valid TOML, as it runs after the library, but survives anything.
type node struct {
	name  string
	key   span
	value span
	kids  []*node
	array bool
}

func (n *node) kid(name string) *node {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// scan finds the places of every key and value.
func scan(text string) *node {
	s := &scanner{text: text}
	root := s.node()
	root.value = span{0, int32(len(text))}
	table := root
	s.i = len(text) - len(strings.TrimPrefix(text, "\ufeff"))
	for s.blank(); s.i < len(s.text); s.blank() {
		start := s.i
		if s.peek() == '[' {
			s.i++
			array := s.peek() == '['
			if array {
				s.i++
			}
			table = s.open(root, s.keys(), array)
			for s.peek() == ']' {
				s.i++
			}
			table.value = span{int32(start), int32(s.i)}
		} else {
			s.pair(table)
		}
		if s.i == start {
			s.i++ // not TOML
		}
	}
	return root
}

type scanner struct {
	text string
	i    int
	path []name // of the key last read
	pool []node
}

// A name is one part of a dotted key.
type name struct {
	text string
	at   span
}

func (s *scanner) node() *node {
	if len(s.pool) == 0 {
		s.pool = make([]node, 32)
	}
	n := &s.pool[0]
	s.pool = s.pool[1:]
	return n
}

// open finds or makes the table that a header names. Where a part of it is an array of tables, its last is meant.
func (s *scanner) open(n *node, path []name, array bool) *node {
	for i, part := range path {
		n = s.under(n, part)
		last := i == len(path)-1
		if last {
			n.key = part.at
		}
		switch {
		case last && array:
			n.array = true
			item := s.node()
			item.key = part.at
			n.kids = append(n.kids, item)
			n = item
		case n.array && len(n.kids) > 0:
			n = n.kids[len(n.kids)-1]
		}
	}
	return n
}

func (s *scanner) under(n *node, part name) *node {
	if k := n.kid(part.text); k != nil {
		return k
	}
	k := s.node()
	k.name, k.key, k.value = part.text, part.at, part.at
	n.kids = append(n.kids, k)
	return k
}

// pair reads KEY = VALUE into the table n.
func (s *scanner) pair(n *node) {
	for _, part := range s.keys() {
		n = s.under(n, part)
		n.key = part.at
	}
	if s.peek() == '=' {
		s.i++
		s.spaces()
		s.value(n)
	}
}

// keys reads a dotted key and the spaces behind it.
func (s *scanner) keys() []name {
	s.path = s.path[:0]
	for {
		s.spaces()
		start := s.i
		var text string
		switch s.peek() {
		case '"':
			s.quoted('"')
			text = unescape(unquote(s.text[start:s.i]))
		case '\'':
			s.quoted('\'')
			text = unquote(s.text[start:s.i])
		default:
			for s.i < len(s.text) && !strings.ContainsRune(" \t\r\n.=]#,}[{\"'", rune(s.text[s.i])) {
				s.i++
			}
			text = s.text[start:s.i]
		}
		s.path = append(s.path, name{text, span{int32(start), int32(s.i)}})
		s.spaces()
		if s.peek() != '.' {
			return s.path
		}
		s.i++
	}
}

// value reads one value into n.
func (s *scanner) value(n *node) {
	start := s.i
	switch s.peek() {
	case '"', '\'':
		s.quoted(s.text[s.i])
	case '[':
		n.array = true
		s.i++
		s.until(']', func() {
			item := s.node()
			s.value(item)
			n.kids = append(n.kids, item)
		})
	case '{':
		s.i++
		s.until('}', func() { s.pair(n) })
	default:
		for s.i < len(s.text) && !strings.ContainsRune(",]}#\r\n", rune(s.text[s.i])) {
			s.i++
		}
		for s.i > start && (s.text[s.i-1] == ' ' || s.text[s.i-1] == '\t') {
			s.i--
		}
	}
	n.value = span{int32(start), int32(s.i)}
}

// until reads members, and the commas and comments between them, up to and with the closing bracket.
func (s *scanner) until(end byte, member func()) {
	for s.blank(); s.i < len(s.text); s.blank() {
		start := s.i
		switch s.peek() {
		case end:
			s.i++
			return
		case ',':
			s.i++
		default:
			member()
		}
		if s.i == start {
			s.i++ // not TOML
		}
	}
}

// quoted skips a string of one or of three quotes.
func (s *scanner) quoted(q byte) {
	if long := strings.Repeat(string(q), 3); strings.HasPrefix(s.text[s.i:], long) {
		s.i += 3
		for s.i < len(s.text) && !strings.HasPrefix(s.text[s.i:], long) {
			s.step(q)
		}
		// Up to two quotes may stand before the closing three.
		for end := s.i + 5; s.i < end && s.peek() == q; {
			s.i++
		}
		return
	}
	for s.i++; s.i < len(s.text) && s.text[s.i] != q && s.text[s.i] != '\n'; {
		s.step(q)
	}
	if s.peek() == q {
		s.i++
	}
}

// step goes over one byte of a string, or over an escaped one.
func (s *scanner) step(q byte) {
	if s.text[s.i] == '\\' && q == '"' && s.i+1 < len(s.text) {
		s.i++
	}
	s.i++
}

func (s *scanner) peek() byte {
	if s.i < len(s.text) {
		return s.text[s.i]
	}
	return 0
}

func (s *scanner) spaces() {
	for s.i < len(s.text) && (s.text[s.i] == ' ' || s.text[s.i] == '\t') {
		s.i++
	}
}

// blank goes over white space, newlines and comments.
func (s *scanner) blank() {
	for s.i < len(s.text) {
		switch s.text[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		case '#':
			if n := strings.IndexByte(s.text[s.i:], '\n'); n >= 0 {
				s.i += n
			} else {
				s.i = len(s.text)
			}
		default:
			return
		}
	}
}

// unquote takes the quotes off a string of one quote.
func unquote(s string) string {
	if len(s) < 2 {
		return ""
	}
	return s[1 : len(s)-1]
}

// unescape resolves the escapes of a quoted key (TOML 1.1).
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if c := strings.IndexByte("btnfre", s[i]); c >= 0 {
			b.WriteByte("\b\t\n\f\r\x1b"[c])
			continue
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		r, err := strconv.ParseUint(s[i+1:min(len(s), i+1+digits)], 16, 32)
		if digits == 0 || err != nil || r > utf8.MaxRune {
			b.WriteByte(s[i]) // a quote or a backslash
			continue
		}
		b.WriteRune(rune(r))
		i += digits
	}
	return b.String()
}
