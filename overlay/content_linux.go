package overlay

import (
	"bytes"
	"context"

	"golang.org/x/sys/unix"
)

// chunk is how much of a file is read at once.
const chunk = 64 << 10

var zeros [chunk]byte

// A comparer compares the content of files. It has the memory for one comparison at a time.
type comparer struct {
	ctx  context.Context
	a, b []byte
}

// same tells whether the first size bytes of two regular files are the same. Holes are not read, so that it takes
// as long as there are data: a program may leave a file of 8 EiB.
func (c *comparer) same(a, b int, size int64) (bool, error) {
	if c.a == nil {
		c.a, c.b = make([]byte, chunk), make([]byte, chunk)
	}
	if size <= chunk {
		return c.sameBytes(a, b, 0, size)
	}
	var ea, eb extent
	for off := int64(0); off < size; {
		ea, eb = ea.after(a, off, size), eb.after(b, off, size)
		end := min(ea.next(off), eb.next(off))
		same, err := true, error(nil)
		switch inA, inB := ea.start <= off, eb.start <= off; {
		case inA && inB:
			same, err = c.sameBytes(a, b, off, end)
		case inA:
			same, err = c.zero(a, off, end)
		case inB:
			same, err = c.zero(b, off, end)
		}
		if !same || err != nil {
			return false, err
		}
		off = end
	}
	return true, nil
}

// sameBytes compares the bytes from off to end. A file that ends before was changed meanwhile, and is not the same.
func (c *comparer) sameBytes(a, b int, off, end int64) (bool, error) {
	for off < end {
		if err := c.ctx.Err(); err != nil {
			return false, err
		}
		n := int(min(chunk, end-off))
		for _, f := range []struct {
			fd  int
			buf []byte
		}{{a, c.a}, {b, c.b}} {
			if whole, err := readAt(f.fd, f.buf[:n], off); err != nil || !whole {
				return false, err
			}
		}
		if !bytes.Equal(c.a[:n], c.b[:n]) {
			return false, nil
		}
		off += int64(n)
	}
	return true, nil
}

// zero tells whether all bytes from off to end are 0.
func (c *comparer) zero(fd int, off, end int64) (bool, error) {
	for off < end {
		if err := c.ctx.Err(); err != nil {
			return false, err
		}
		n := int(min(chunk, end-off))
		if whole, err := readAt(fd, c.a[:n], off); err != nil || !whole {
			return false, err
		}
		if !bytes.Equal(c.a[:n], zeros[:n]) {
			return false, nil
		}
		off += int64(n)
	}
	return true, nil
}

// readAt fills buf from off, or tells that the file ends before.
func readAt(fd int, buf []byte, off int64) (whole bool, err error) {
	for len(buf) > 0 {
		n, err := unix.Pread(fd, buf, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return false, err
		}
		buf, off = buf[n:], off+int64(n)
	}
	return true, nil
}

// An extent is a stretch of a file that is not a hole.
type extent struct{ start, end int64 }

// after returns the first extent of the file that ends after off. Where a file system cannot tell, that is all.
func (e extent) after(fd int, off, size int64) extent {
	if e.end > off {
		return e
	}
	start, err := unix.Seek(fd, off, unix.SEEK_DATA)
	if err == unix.ENXIO {
		return extent{size, size}
	}
	if err != nil || start < off {
		return extent{off, size}
	}
	end, err := unix.Seek(fd, start, unix.SEEK_HOLE)
	if err != nil || end <= start {
		end = size
	}
	return extent{min(start, size), min(end, size)}
}

// next returns where, after off, data or a hole begins.
func (e extent) next(off int64) int64 {
	if e.start > off {
		return e.start
	}
	return e.end
}
