package userns

import (
	"fmt"
	"strconv"
	"strings"
)

// MapText is what is written to /proc/PID/uid_map or gid_map.
func MapText(lines []Range) string {
	var b []byte
	for _, r := range lines {
		b = strconv.AppendInt(b, int64(r.Inside), 10)
		b = strconv.AppendInt(append(b, ' '), int64(r.Outside), 10)
		b = strconv.AppendInt(append(b, ' '), int64(r.Count), 10)
		b = append(b, '\n')
	}
	return string(b)
}

// String is how a plan shows m, outside on the left: "1000:1000 → 0:0, ids 100000-165535 → 1-65536".
func (m Map) String() string {
	s := fmt.Sprintf("%d:%d → %d:%d", outside(m.UIDs, m.UID), outside(m.GIDs, m.GID), m.UID, m.GID)
	uids, gids := others(m.UIDs, m.UID), others(m.GIDs, m.GID)
	if uids == gids {
		if uids != "" {
			s += ", ids " + uids
		}
		return s
	}
	if uids != "" {
		s += ", uids " + uids
	}
	if gids != "" {
		s += ", gids " + gids
	}
	return s
}

// outside is who inside is outside; -1 where it is nobody.
func outside(lines []Range, inside int) int {
	for _, r := range lines {
		if inside >= r.Inside && inside-r.Inside < r.Count {
			return r.Outside + inside - r.Inside
		}
	}
	return -1
}

// others shows the lines that do not hold the program's own id: each, or where that is too long their sum.
func others(lines []Range, own int) string {
	var show []string
	sum := 0
	for _, r := range lines {
		if own >= r.Inside && own-r.Inside < r.Count {
			continue
		}
		show = append(show, span(r.Outside, r.Count)+" → "+span(r.Inside, r.Count))
		sum += r.Count
	}
	if len(show) > 3 {
		return fmt.Sprintf("(%d in %d ranges)", sum, len(show))
	}
	return strings.Join(show, ", ")
}

func span(first, count int) string {
	if count == 1 {
		return strconv.Itoa(first)
	}
	return fmt.Sprintf("%d-%d", first, first+count-1)
}
