package overlay

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The kernel keeps no note of what it copied up. So at the end of each run it is written down what the real home has at
// the paths that changed: what is different there later was changed underneath, by somebody else.
//
// A note is made when a path first changed and stays as it is as long as the path is a change: what a program left in
// an earlier run was made from what was there then, whatever it did later. What is below a path that was not there has
// no note of its own.
//
//	cove base 1
//	<T0> absent "path"
//	<T0> <inode> <mode> <size> <mtime> <ctime> <again> <hash or -> <moved or -> "path"      in the order of Walk
//	end <T0 of the last run>
const baseHeader = "cove base 1"

// A note is what the home had at a path when it first changed.
type note struct {
	T0     int64 // when the run began, ns: what changed in the home later was changed underneath
	id     ident // none where nothing was there
	hashed bool
	hash   uint64
	again  int64 // its time of change since it was taken out of the home and put back there
	moved  bool  // a directory above it was moved or got other attributes during the run: it may be another file
}

func (n note) append(b []byte, p string) []byte {
	b = strconv.AppendInt(b, n.T0, 10)
	if n.id.none() {
		b = append(b, " absent "...)
		return append(strconv.AppendQuote(b, p), '\n')
	}
	b = strconv.AppendUint(append(b, ' '), n.id.Ino, 10)
	b = strconv.AppendUint(append(b, ' '), uint64(n.id.Mode), 8)
	for _, v := range []int64{n.id.Size, n.id.MTime, n.id.CTime, n.again} {
		b = strconv.AppendInt(append(b, ' '), v, 10)
	}
	if b = append(b, ' '); n.hashed {
		b = strconv.AppendUint(b, n.hash, 16)
	} else {
		b = append(b, '-')
	}
	if n.moved {
		b = append(b, " moved "...)
	} else {
		b = append(b, " - "...)
	}
	return append(strconv.AppendQuote(b, p), '\n')
}

var errBase = errors.New("the record of what the home was like is damaged")

func parseNote(line string) (n note, p string, err error) {
	first, rest, _ := strings.Cut(line, " ")
	if n.T0, err = strconv.ParseInt(first, 10, 64); err != nil {
		return n, "", errBase
	}
	if quoted, ok := strings.CutPrefix(rest, "absent "); ok {
		p, err = strconv.Unquote(quoted)
		return n, p, err
	}
	f := strings.SplitN(rest, " ", 9)
	if len(f) != 9 {
		return n, "", errBase
	}
	var mode uint64
	var errs [7]error
	n.id.Ino, errs[0] = strconv.ParseUint(f[0], 10, 64)
	mode, errs[1] = strconv.ParseUint(f[1], 8, 32)
	n.id.Size, errs[2] = strconv.ParseInt(f[2], 10, 64)
	n.id.MTime, errs[3] = strconv.ParseInt(f[3], 10, 64)
	n.id.CTime, errs[4] = strconv.ParseInt(f[4], 10, 64)
	n.again, errs[5] = strconv.ParseInt(f[5], 10, 64)
	if f[6] != "-" {
		n.hashed = true
		n.hash, errs[6] = strconv.ParseUint(f[6], 16, 64)
	}
	n.id.Mode, n.moved = uint32(mode), f[7] == "moved"
	p, err = strconv.Unquote(f[8])
	return n, p, errors.Join(append(errs[:], err)...)
}

// A baseReader reads notes one after the other.
type baseReader struct {
	r    *bufio.Reader
	next string // path of the next note; "" at the end
	note
	covers int64 // T0 of the last run that all is known of; 0 until the end was read
	err    error
}

func readNotes(from io.Reader) *baseReader {
	r := &baseReader{r: bufio.NewReaderSize(from, 64<<10)}
	if line, err := r.r.ReadString('\n'); err != nil || line != baseHeader+"\n" {
		r.err = errBase
		return r
	}
	r.advance()
	return r
}

func (r *baseReader) advance() {
	r.next = ""
	line, err := r.r.ReadString('\n')
	if err != nil {
		r.err = errBase // it ends without the end: it was not written to the disk
		return
	}
	line = strings.TrimSuffix(line, "\n")
	if end, ok := strings.CutPrefix(line, "end "); ok {
		r.covers, r.err = strconv.ParseInt(end, 10, 64)
		return
	}
	r.note, r.next, r.err = parseNote(line)
	if r.err != nil {
		r.next = ""
	}
}

// A Base is what the home was like where a box changed it.
type Base struct {
	notes  map[string]note
	tops   pathSet // of these, what was no directory: nothing below has a note
	covers int64   // as in baseReader
	first  int64   // T0 of the first run
	last   int64   // and of the last
}

// ReadBase reads what Settle wrote; from may be nil, where nothing was written or it cannot be read.
func ReadBase(from io.Reader, runs Runs) *Base {
	b := &Base{notes: map[string]note{}, first: runs.First.UnixNano(), last: runs.Last.UnixNano()}
	if from == nil {
		return b
	}
	r := readNotes(from)
	var tops []string
	for r.next != "" {
		b.notes[r.next] = r.note
		if r.id.none() || !r.id.isDir() {
			tops = append(tops, r.next)
		}
		r.advance()
	}
	b.tops = newPathSet(tops)
	if r.err == nil {
		b.covers = r.covers
	}
	return b
}

// of finds the note of a path, its own or that of a directory above that was not there. Complete tells that there
// would be one if the path had changed by the end of the last run.
func (b *Base) of(p string) (n note, ok, complete bool) {
	complete = b.covers >= b.last && b.covers > 0
	if n, ok = b.notes[p]; ok {
		return n, true, complete
	}
	if i := b.tops.above(p); i >= 0 {
		return note{T0: b.notes[b.tops.paths[i]].T0}, true, complete
	}
	return note{}, false, complete
}

// writeTo writes what ReadBase reads.
func (b *Base) writeTo(w io.Writer) error {
	out := bufio.NewWriterSize(w, 64<<10)
	out.WriteString(baseHeader + "\n")
	var line []byte
	for _, p := range slices.SortedFunc(maps.Keys(b.notes), inWalkOrder) {
		line = b.notes[p].append(line[:0], p)
		out.Write(line)
	}
	out.WriteString("end " + strconv.FormatInt(b.covers, 10) + "\n")
	return out.Flush()
}

// since is when the program began of which the change at p is.
func (b *Base) since(p string) int64 {
	if n, ok, _ := b.of(p); ok {
		return n.T0
	}
	return b.first
}
