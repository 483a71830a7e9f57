package userns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// ReadRanges finds u's subordinate ids, by name and by uid: in /etc/subuid and /etc/subgid, or, where
// /etc/nsswitch.conf names another source, by asking getsubids(1). None at all are not an error.
func ReadRanges(u User) (Ranges, error) {
	return subidFiles{"/etc/subuid", "/etc/subgid", "/etc/nsswitch.conf"}.read(u)
}

type subidFiles struct{ subuid, subgid, nsswitch string }

func (f subidFiles) read(u User) (r Ranges, err error) {
	conf, err := readIfThere(f.nsswitch)
	if err != nil {
		return Ranges{}, err
	}
	if source := subidSource(conf); source != "files" {
		if r.UIDs, err = askGetsubids(u, source); err == nil {
			r.GIDs, err = askGetsubids(u, source, "-g")
		}
		return r, err
	}
	for _, t := range []struct {
		path string
		to   *[]SubRange
	}{{f.subuid, &r.UIDs}, {f.subgid, &r.GIDs}} {
		text, err := readIfThere(t.path)
		if err != nil {
			return Ranges{}, err
		}
		if *t.to, err = parseSubids(t.path, text, u); err != nil {
			return Ranges{}, err
		}
	}
	return r, nil
}

// Source is where this machine's subordinate ids stand: "files", or what /etc/nsswitch.conf names.
func Source() string {
	conf, _ := readIfThere("/etc/nsswitch.conf") // one that cannot be read is an error of ReadRanges
	return subidSource(conf)
}

// Free is the first id after all ranges of /etc/subuid and /etc/subgid, whoever has them. 0 is none.
func Free() (free int) {
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		text, _ := readIfThere(file)
		free = max(free, afterRanges(text))
	}
	return free
}

func readIfThere(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cannot read the subordinate ids: %w", err)
	}
	return string(b), nil
}

// askGetsubids asks by name, then by uid. rootlesskit's dynidtools does the same and pulls in a logger.
func askGetsubids(u User, source string, options ...string) ([]SubRange, error) {
	cannot := fmt.Sprintf("cannot find the subordinate ids of %s in %q, the source in /etc/nsswitch.conf: ", u.Name, source)
	var why string
	for _, who := range []string{u.Name, strconv.Itoa(u.UID)} {
		out, err := output(10*time.Second, "getsubids", append(options[:len(options):len(options)], who)...)
		if errors.Is(err, exec.ErrNotFound) {
			return nil, &Error{cannot + "getsubids is not installed", "install it: sudo apt install uidmap (shadow-utils-subid elsewhere)"}
		}
		if err == nil {
			ranges, err := parseGetsubids(out)
			if err != nil {
				return nil, &Error{cannot + err.Error(), ""}
			}
			if len(ranges) > 0 {
				return ranges, nil
			}
		} else if why == "" {
			why = err.Error() // it exits with 1 both where there are none and where the source is out of reach
		}
	}
	if why == "" {
		why = "getsubids printed none"
	}
	return nil, &Error{cannot + why, "ask whoever keeps that directory for a range, or use --ids single"}
}

// output runs a program for at most limit and returns what it printed; an error tells its last words.
func output(limit time.Duration, name string, args ...string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C") // the hints go by its words
	cmd.WaitDelay = 100 * time.Millisecond     // a child of its own may hold the pipes open
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) { // which comes after success only
		return stdout.String(), nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s did not answer within %v", name, limit)
	}
	said := strings.TrimSpace(stderr.String())
	if said == "" {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return "", fmt.Errorf("%s: %s", name, strings.TrimPrefix(said, name+": "))
}
