package userns

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	maxID    = 1<<32 - 2 // the kernel reads 1<<32 - 1 as "no id"
	maxLines = 340       // UID_GID_MAP_MAX_EXTENTS, Linux 4.15 (6397fac4915a)
	maxText  = 4095      // map_write takes less than a page, and the smallest page has 4096 bytes
)

// Plan answers who the program is: uid is "keep" (your ids are themselves), "root" (you are 0) or a decimal
// number, which becomes both its uid and its gid. ids is "single", where nothing but your own ids is mapped, or
// "subids", where subs fill the ids from 0 on, around your own, in the order of their files: a range that is
// added later moves nobody's files. As podman's keep-id does.
func Plan(u User, subs Ranges, uid, ids string) (Map, error) {
	m := Map{UID: u.UID, GID: u.GID}
	switch uid {
	case "keep":
	case "root":
		m.UID, m.GID = 0, 0
	default:
		n, ok := number(uid)
		if !ok {
			return Map{}, &Error{fmt.Sprintf("cannot be %q inside: no such identity", uid),
				fmt.Sprintf("say keep, root, or a number from 0 to %d", int64(maxID))}
		}
		m.UID, m.GID = n, n
	}
	switch ids {
	case "single":
		m.UIDs = []Range{{m.UID, u.UID, 1}}
		m.GIDs = []Range{{m.GID, u.GID, 1}}
		return m, nil
	case "subids":
		m.Helper = true
	default:
		return Map{}, &Error{fmt.Sprintf("cannot map the ids %q: no such choice", ids), "say single or subids"}
	}
	var err error
	if m.UIDs, err = fill(m.UID, u.UID, subs.UIDs); err != nil {
		return Map{}, err
	}
	if m.GIDs, err = fill(m.GID, u.GID, subs.GIDs); err != nil {
		return Map{}, err
	}
	if err := missing(u, len(m.UIDs) == 1, len(m.GIDs) == 1); err != nil {
		return Map{}, err
	}
	return m, nil
}

// fill maps own to inside and subs to the ids from 0 on that are left.
func fill(inside, own int, subs []SubRange) ([]Range, error) {
	subs, err := disjoint(own, subs)
	if err != nil {
		return nil, err
	}
	lines := []Range{{inside, own, 1}}
	next := 0
	for _, s := range subs {
		for s.Count > 0 {
			n := s.Count
			if next == inside {
				next++
			} else if next < inside {
				n = min(n, inside-next)
			}
			lines = append(lines, Range{next, s.First, n})
			next += n
			s.First += n
			s.Count -= n
		}
	}
	slices.SortFunc(lines, func(a, b Range) int { return cmp.Compare(a.Inside, b.Inside) })
	if len(lines) > maxLines || len(MapText(lines)) > maxText {
		return nil, tooMany
	}
	return lines, nil
}

var tooMany = &Error{fmt.Sprintf("cannot map so many ranges of subordinate ids: Linux takes %d, in less than a page of text", maxLines),
	"join ranges in /etc/subuid and /etc/subgid"}

// disjoint returns the ids of subs without own and without what an earlier range has already, in their order.
//
// The kernel refuses a map in which an outside id occurs twice, and ranges do hold the user's own id where an
// administrator deals them out by hand (podman#3636). What is left of a range is always part of one range,
// and neighbours are not joined, so newuidmap's check holds with every source of ranges.
func disjoint(own int, subs []SubRange) ([]SubRange, error) {
	var out []SubRange
	for _, s := range subs {
		if s.First < 0 || s.Count < 0 || s.First > maxID || s.Count > maxID+1-s.First {
			return nil, &Error{fmt.Sprintf("cannot use the subordinate ids %d:%d: ids go from 0 to %d", s.First, s.Count, int64(maxID)),
				"correct the line in /etc/subuid or /etc/subgid"}
		}
		if s.First == 0 && s.Count > 0 && own != 0 {
			// newuidmap would allow it. Whoever is 0 outside owns the machine's files.
			return nil, &Error{fmt.Sprintf("cannot use the subordinate ids %d:%d: they hold 0, which is root outside", s.First, s.Count),
				"correct the line in /etc/subuid or /etc/subgid"}
		}
		pieces := cut([]SubRange{s}, SubRange{own, 1})
		for _, earlier := range out {
			pieces = cut(pieces, earlier)
		}
		if out = append(out, pieces...); len(out) > maxLines {
			return nil, tooMany
		}
	}
	return out, nil
}

// cut returns what of pieces is not in hole.
func cut(pieces []SubRange, hole SubRange) []SubRange {
	var out []SubRange
	for _, p := range pieces {
		end, holeEnd := p.First+p.Count, hole.First+hole.Count
		if n := min(end, hole.First) - p.First; n > 0 {
			out = append(out, SubRange{p.First, n})
		}
		if first := max(p.First, holeEnd); end > first {
			out = append(out, SubRange{first, end - first})
		}
	}
	return out
}

// missing says which ranges there are none of, and the command that adds them.
func missing(u User, uids, gids bool) error {
	var files, options []string
	if uids {
		files, options = append(files, "/etc/subuid"), append(options, "--add-subuids 100000-165535")
	}
	if gids {
		files, options = append(files, "/etc/subgid"), append(options, "--add-subgids 100000-165535")
	}
	if len(files) == 0 {
		return nil
	}
	where := strings.Join(files, " and ")
	return &Error{fmt.Sprintf("cannot map subordinate ids: %s has none for %s", where, u.Name),
		fmt.Sprintf("an administrator can give some that no other line has: sudo usermod %s %s, or, for a user who is not in /etc/passwd, the line %s:100000:65536 in %s",
			strings.Join(options, " "), u.Name, u.Name, where)}
}

// number reads a plain decimal id: no sign, and no leading zero, which shadow's programs read as octal.
func number(s string) (int, bool) {
	if len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err == nil && n <= maxID
}
