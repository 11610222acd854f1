package loadgen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/leakgate/leakgate/record"
)

// summary is what a load generator says about its requests.
type summary struct {
	requests, failed uint64
	codes            map[string]uint64
	errors           map[string]uint64
	mean, p50, p90   time.Duration
	p99, max         time.Duration
	workers          int // requests in flight at once; 0: unknown
	missed           int // exit status that only means that one of its own thresholds was missed; 0: none
}

// fill copies the summary into a load with one entry.
func (s summary) fill(load *record.Load) {
	e := &load.Entries[0]
	e.Sent, e.Succeeded = s.requests, s.requests-min(s.failed, s.requests)
	unanswered := uint64(0)
	for _, n := range s.errors {
		unanswered += n
	}
	e.Answered = s.requests - min(unanswered, s.requests)
	e.Codes, e.Errors = s.codes, s.errors
	e.Mean, e.P50, e.P90, e.P99, e.Max = s.mean, s.p50, s.p90, s.p99, s.max
	load.Sent, load.Answered, load.Succeeded = e.Sent, e.Answered, e.Succeeded
	load.Workers = s.workers
	// By Little's law, as if all had been as slow as the slowest.
	if d := load.Planned.Seconds(); load.Workers == 0 && d > 0 {
		load.Workers = int(math.Ceil(min(float64(s.requests)/d*s.max.Seconds(), float64(s.requests))))
	}
}

// summaryForm is the format of one load generator's summary.
type summaryForm struct {
	name string // as a plan and an error name it
	// read reads the last summary in a text, and reports whether there is one. An error is
	// about a summary that exists but cannot be used: its parts have to add up to its
	// totals, and a request that it says nothing about is not taken for a success.
	read func([]byte) (s summary, found bool, err error)
}

// summaryForms returns all forms, in the order in which they are tried. A new form is one
// line here, and one file.
func summaryForms() []summaryForm { return []summaryForm{k6Form, ghzForm, vegetaForm, wrkForm} }

// SummaryForms returns the names of the summaries that a load command may print.
func SummaryForms() []string {
	var names []string
	for _, f := range summaryForms() {
		names = append(names, f.name)
	}
	return names
}

// errNoSummary is returned for a text without a summary in the given format.
var errNoSummary = errors.New("there is no summary")

// readSummary reads a summary in the given format, or in any if form is auto; found is
// false if there is none.
func readSummary(form string, text []byte) (s summary, found bool, err error) {
	if form == "none" {
		return s, false, nil
	}
	auto := form == "" || form == "auto"
	for _, f := range summaryForms() {
		if !auto && form != f.name {
			continue
		}
		if s, found, err = f.read(text); found || err != nil {
			return s, found, err
		}
	}
	if !auto {
		err = fmt.Errorf("%w of %s in %d bytes", errNoSummary, form, len(text))
	}
	return summary{}, false, err
}

const (
	// maxTries is how many braces in a text are tried as the beginning of an object.
	maxTries = 10_000
	// maxTried is how much these tries may read, in bytes: nested objects are read once for
	// each level.
	maxTried = maxOutput
)

// object finds the last JSON object that is accepted, in a text that may also contain a
// log, even one of JSON objects.
func object(text []byte, accept func([]byte) bool) bool {
	found, tried := false, 0
	for range maxTries {
		start := bytes.IndexByte(text, '{')
		if start < 0 || tried > maxTried {
			break
		}
		text = text[start:]
		from := bytes.NewReader(text)
		var o json.RawMessage
		err := json.NewDecoder(from).Decode(&o)
		tried += len(text) - from.Len()
		if err == nil && accept(o) {
			found = true
			text = text[len(o):]
			continue
		}
		text = text[1:]
	}
	return found
}

// fields are the members of a JSON object, not yet decoded: those that decide are checked
// strictly, the others are not looked at.
type fields map[string]json.RawMessage

// having turns a condition on an object's members into an accept function for object.
func having(into *fields, good func(fields) bool) func([]byte) bool {
	return func(text []byte) bool {
		var doc fields
		if json.Unmarshal(text, &doc) != nil || !good(doc) {
			return false
		}
		*into = doc
		return true
	}
}
