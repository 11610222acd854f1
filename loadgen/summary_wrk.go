package loadgen

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
)

var (
	wrkRequests = regexp.MustCompile(`(?m)^\s*(-?\d\S*) requests in `)
	wrkUsers    = regexp.MustCompile(`(?m)^\s*\d+ threads and (\d+) connections`)
	wrkFailed   = regexp.MustCompile(`Non-2xx or 3xx responses: *(\S+)`)
	wrkSocket   = regexp.MustCompile(`Socket errors: connect (\S+), read (\S+), write (\S+), timeout (\S+)`)
)

// wrkErrors are the kinds of Socket errors, in wrk's order.
var wrkErrors = [...]string{"connect", "read", "write", "timeout"}

// wrkForm is the text that wrk prints.
var wrkForm = summaryForm{"wrk", readWrk}

// readWrk reads what wrk prints; of several summaries the last.
func readWrk(text []byte) (summary, bool, error) {
	found := wrkRequests.FindAllSubmatchIndex(text, -1)
	if len(found) == 0 {
		return summary{}, false, nil
	}
	m := found[len(found)-1]
	before, after := text[:m[0]], text[m[1]:]
	users := wrkUsers.FindAllSubmatch(before, -1)
	switch end := bytes.Contains(after, []byte("Requests/sec:")); {
	case !end && len(users) == 0: // some other program's words
		return summary{}, false, nil
	case !end:
		return summary{}, false, errors.New("wrk's summary is cut off: it has no Requests/sec")
	}
	n, err := wrkCount("requests", text[m[2]:m[3]])
	if err != nil {
		return summary{}, false, err
	}
	s := summary{requests: n}
	if len(users) > 0 {
		if c, err := wrkCount("connections", users[len(users)-1][1]); err == nil {
			s.workers = int(min(c, math.MaxInt32))
		}
	}
	if err := s.wrkFailures(after); err != nil {
		return summary{}, false, err
	}
	return s, true, nil
}

// wrkFailures reads the lines that wrk prints only where something failed.
func (s *summary) wrkFailures(text []byte) error {
	if f := wrkFailed.FindSubmatch(text); f != nil {
		n, err := wrkCount("Non-2xx or 3xx responses", f[1])
		if err != nil {
			return err
		}
		if n > s.requests {
			return fmt.Errorf("wrk counted %d requests, but %d Non-2xx or 3xx responses", s.requests, n)
		}
		s.failed = n
	} else if bytes.Contains(text, []byte("Non-2xx")) {
		return errors.New("wrk's line of Non-2xx or 3xx responses cannot be read")
	}
	e := wrkSocket.FindSubmatch(text)
	if e == nil {
		if bytes.Contains(text, []byte("Socket errors")) {
			return errors.New("wrk's line of Socket errors cannot be read")
		}
		return nil
	}
	for i, kind := range wrkErrors {
		n, err := wrkCount("Socket errors, "+kind, bytes.TrimRight(e[i+1], ","))
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		if s.errors == nil {
			s.errors = map[string]uint64{}
		}
		s.errors[kind] = n
		s.requests, s.failed = s.requests+n, s.failed+n // it counts answers alone
	}
	return nil
}

func wrkCount(what string, text []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || n > maxCount {
		return 0, fmt.Errorf("wrk's %s is %s, which is not a count", what, quoted(text))
	}
	return n, nil
}
