package loadgen

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// vegetaForm is the JSON of vegeta's report.
var vegetaForm = summaryForm{"vegeta", readVegeta}

// readVegeta reads what `vegeta report -type=json` prints. It counts each request by
// its status code, which is 0 where there was no whole answer, and lists the errors
// without counting them.
func readVegeta(text []byte) (summary, bool, error) {
	var doc fields
	if !object(text, having(&doc, isVegeta)) {
		return summary{}, false, nil
	}
	n, given, err := doc.count("requests", "vegeta's requests")
	if err != nil || !given {
		return summary{}, false, err
	}
	codes, told, err := doc.counts("status_codes", "vegeta's status_codes")
	switch {
	case err != nil:
		return summary{}, false, err
	case told != n:
		return summary{}, false, fmt.Errorf("vegeta counted %d requests, but its status codes add up to %d", n, told)
	}
	s := summary{requests: n, codes: map[string]uint64{}}
	for code, n := range codes {
		if code == "0" {
			s.unanswered(n)
		} else {
			s.codes[code] = n
		}
		if number, err := strconv.Atoi(code); err != nil || number < 200 || number > 399 {
			s.failed += n
		}
	}
	if err := s.vegetaAgrees(doc); err != nil {
		return summary{}, false, err
	}
	return s, true, s.vegetaTimes(doc.object("latencies"))
}

func isVegeta(f fields) bool {
	_, requests := f["requests"]
	_, codes := f["status_codes"]
	return requests && codes
}

// vegetaAgrees holds the status codes against what else vegeta says of success.
func (s *summary) vegetaAgrees(doc fields) error {
	success, given, err := doc.share("success", "vegeta's success")
	switch {
	case err != nil:
		return err
	case !given:
		return errors.New("vegeta's success is missing")
	}
	ok := s.requests - s.failed
	if s.requests > 0 && math.Abs(success-float64(ok)/float64(s.requests)) > rateSlack {
		return fmt.Errorf("vegeta says that a share of %.4g succeeded, but by its status codes %d of %d did",
			success, ok, s.requests)
	}
	var list []string
	if doc.given("errors") && json.Unmarshal(doc["errors"], &list) != nil {
		return fmt.Errorf("vegeta's errors are %s, which is not a list of strings", quoted(doc["errors"]))
	}
	if uint64(len(list)) > s.failed {
		return fmt.Errorf("vegeta lists %d errors, the first of them %s, but by its status codes %d requests failed",
			len(list), quoted([]byte(list[0])), s.failed)
	}
	return nil
}

// vegetaTimes reads how long requests took, in nanoseconds.
func (s *summary) vegetaTimes(latencies fields) error {
	for name, into := range map[string]*time.Duration{
		"mean": &s.mean, "50th": &s.p50, "90th": &s.p90, "99th": &s.p99, "max": &s.max,
	} {
		d, err := latencies.duration(name, "vegeta's latencies."+name, time.Nanosecond)
		if err != nil {
			return err
		}
		*into = d
	}
	return nil
}
