package loadgen

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	// noAnswer is the kind of error of requests that nobody answered.
	noAnswer = "no answer"
	// ghzOK and ghzNobody are gRPC's codes of a call that succeeded, and of one that
	// nobody answered.
	ghzOK, ghzNobody = "OK", "Unavailable"
)

// ghzForm is the JSON of ghz.
var ghzForm = summaryForm{"ghz", readGhz}

// readGhz reads what ghz prints with --format json. It counts each call by its status
// code, and each that is not OK by its error too.
func readGhz(text []byte) (summary, bool, error) {
	var doc fields
	if !object(text, having(&doc, isGhz)) {
		return summary{}, false, nil
	}
	n, given, err := doc.count("count", "ghz's count")
	if err != nil || !given {
		return summary{}, false, err
	}
	s := summary{requests: n}
	if err := s.ghzCodes(doc); err != nil {
		return summary{}, false, err
	}
	if c, ok, err := doc.object("options").count("concurrency", "ghz's concurrency"); err == nil && ok {
		s.workers = int(min(c, math.MaxInt32))
	}
	return s, true, s.ghzTimes(doc)
}

func isGhz(f fields) bool {
	_, count := f["count"]
	_, codes := f["statusCodeDistribution"]
	_, errors := f["errorDistribution"]
	_, latencies := f["latencyDistribution"]
	return count && (codes || errors || latencies)
}

// ghzCodes learns which of the calls failed.
func (s *summary) ghzCodes(doc fields) error {
	codes, told, err := doc.counts("statusCodeDistribution", "ghz's statusCodeDistribution")
	if err != nil {
		return err
	}
	errs, wrong, err := doc.counts("errorDistribution", "ghz's errorDistribution")
	switch {
	case err != nil:
		return err
	case told == 0 && wrong == 0 && s.requests > 0:
		return fmt.Errorf("ghz counted %d requests, but neither status codes nor errors", s.requests)
	case told == 0 && wrong != s.requests:
		return fmt.Errorf("ghz counted %d requests, but its errors add up to %d, and there are no status codes",
			s.requests, wrong)
	case told == 0:
		s.failed = wrong
		s.unanswered(ghzUnanswered(errs))
		return nil
	case told != s.requests:
		return fmt.Errorf("ghz counted %d requests, but its status codes add up to %d", s.requests, told)
	}
	s.codes, s.failed = codes, told-codes[ghzOK]
	if wrong > 0 && wrong != s.failed {
		return fmt.Errorf("by ghz's status codes %d requests failed, but its errors add up to %d", s.failed, wrong)
	}
	if n := codes[ghzNobody]; n > 0 {
		s.errors = map[string]uint64{ghzNobody: n}
	}
	return nil
}

// ghzUnanswered is how many errors are not a server's answer.
func ghzUnanswered(errs map[string]uint64) uint64 {
	unanswered := uint64(0)
	for text, n := range errs {
		code, answer := strings.CutPrefix(text, "rpc error: code = ")
		if !answer || strings.HasPrefix(code, ghzNobody) {
			unanswered += n
		}
	}
	return unanswered
}

// unanswered notes requests that nobody answered.
func (s *summary) unanswered(n uint64) {
	if n > 0 {
		s.errors = map[string]uint64{noAnswer: n}
	}
}

// ghzTimes reads how long calls took, in nanoseconds.
func (s *summary) ghzTimes(doc fields) (err error) {
	if s.mean, err = doc.duration("average", "ghz's average", time.Nanosecond); err != nil {
		return err
	}
	if s.max, err = doc.duration("slowest", "ghz's slowest", time.Nanosecond); err != nil {
		return err
	}
	var list []struct {
		Percentage int           `json:"percentage"`
		Latency    time.Duration `json:"latency"`
	}
	_ = json.Unmarshal(doc["latencyDistribution"], &list) // decides nothing
	for _, d := range list {
		switch d.Percentage {
		case 50:
			s.p50 = max(0, d.Latency)
		case 90:
			s.p90 = max(0, d.Latency)
		case 99:
			s.p99 = max(0, d.Latency)
		}
	}
	return nil
}
