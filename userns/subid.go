package userns

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
)

// parseSubids returns u's ranges of text, which is subuid(5) or subgid(5): lines that begin with u's name or uid.
//
// A line of u's that newuidmap would not understand is an error: it would drop the line without a word, and
// moby/sys/user would read 0. So only lines that were checked reach that. Lines of other users are theirs.
func parseSubids(file, text string, u User) ([]SubRange, error) {
	var mine []string
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if !owns(u.Name, line) && !owns(strconv.Itoa(u.UID), line) {
			continue
		}
		if why := malformed(line); why != "" {
			return nil, &Error{fmt.Sprintf("cannot read %s:%d: %.80q %s", file, n, line, why),
				fmt.Sprintf("a line there reads NAME:FIRST:COUNT, as %s:100000:65536", u.Name)}
		}
		mine = append(mine, line)
	}
	entries, err := user.ParseSubID(strings.NewReader(strings.Join(mine, "\n")))
	if err != nil {
		return nil, &Error{"cannot read " + file + ": " + err.Error(), ""}
	}
	var out []SubRange
	for _, e := range entries {
		out = append(out, SubRange{int(e.SubID), int(e.Count)})
	}
	return out, nil
}

// afterRanges is the first id after all ranges of text, as subuid(5); lines that make no sense have none.
func afterRanges(text string) (after int) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if malformed(line) == "" {
			f := strings.Split(line, ":")
			first, _ := number(f[1])
			count, _ := number(f[2])
			after = max(after, first+count)
		}
	}
	return after
}

// owns tells whether line is about owner, also if something else than a colon stands behind the name: "bob 1 2"
// was meant for bob. "bob smith:1:2" was not.
func owns(owner, line string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), owner)
	if !ok || owner == "" {
		return false
	}
	rest = strings.TrimLeft(rest, " \t")
	spaced := len(rest) < len(strings.TrimSpace(line))-len(owner)
	return rest == "" || rest[0] == ':' || spaced && rest[0] >= '0' && rest[0] <= '9'
}

// malformed says what is wrong with a line; "" is nothing.
func malformed(line string) string {
	if strings.ContainsAny(line, "\r\x00") {
		return "has a control character, perhaps a carriage return"
	}
	if line != strings.TrimSpace(line) {
		return "has white space around it"
	}
	fields := strings.Split(line, ":")
	if len(fields) != 3 {
		return fmt.Sprintf("has %d fields, not 3", len(fields))
	}
	if fields[0] != strings.TrimSpace(fields[0]) {
		return "has white space after the name"
	}
	return badRange(fields[1], fields[2])
}

// badRange says what is wrong with a first id and a count; "" is nothing.
func badRange(first, count string) string {
	f, ok := number(first)
	if !ok {
		return fmt.Sprintf("begins at %.20q, which is no id", first)
	}
	c, ok := number(count)
	if !ok {
		return fmt.Sprintf("counts %.20q ids, which is no number", count)
	}
	if c > maxID+1-f {
		return fmt.Sprintf("goes beyond %d, the last id", int64(maxID))
	}
	return ""
}

// parseGetsubids reads what getsubids(1) prints: "0: NAME FIRST COUNT" on each line.
func parseGetsubids(text string) ([]SubRange, error) {
	var out []SubRange
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		// From the end, as a name of a directory service may have blanks in it.
		if k := len(fields); k >= 4 && strings.HasSuffix(fields[0], ":") && badRange(fields[k-2], fields[k-1]) == "" {
			first, _ := number(fields[k-2])
			count, _ := number(fields[k-1])
			out = append(out, SubRange{first, count})
			continue
		}
		return nil, fmt.Errorf("it printed %.80q, not \"0: NAME FIRST COUNT\"", strings.TrimSpace(line))
	}
	return out, nil
}

// subidSource is where shadow's programs look for ranges: the first word of nsswitch.conf's first line "subid:"
// that has one, "files" by default. They know only one source (shadow, lib/nss.c).
func subidSource(nsswitch string) string {
	for line := range strings.Lines(nsswitch) {
		const key = "subid:"
		if len(line) < len(key) || !strings.EqualFold(line[:len(key)], key) {
			continue
		}
		if words := strings.Fields(line[len(key):]); len(words) > 0 {
			return words[0]
		}
	}
	return "files"
}
