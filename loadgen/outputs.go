package loadgen

import (
	"fmt"
	"strings"
	"time"

	"github.com/leakgate/leakgate/record"
)

// Output is what one of several generators has printed, none of which is leakgate.
type Output struct {
	Name string // of its pod
	Node string
	Code int           // exit code
	Took time.Duration // how long it ran; 0: not known
	Late time.Duration // by how much it began later than the first

	said said
}

// said is what an Output's text comes to.
type said struct {
	summary summary
	found   bool
	err     error
	last    string // the last line, for messages
}

// Read reads a generator's summary, in the given format, out of what it has printed. It
// keeps nothing of the text itself.
func (o *Output) Read(form string, text []byte) {
	s, ok, err := readSummary(form, text)
	s.codes, s.errors = cloned(s.codes), cloned(s.errors)
	o.said = said{summary: s, found: ok, err: err, last: strings.Clone(lastLine(text))}
}

// cloned is a copy of counts, whose keys are no part of a larger text.
func cloned(counts map[string]uint64) map[string]uint64 {
	if counts == nil {
		return nil
	}
	out := make(map[string]uint64, len(counts))
	for kind, n := range counts {
		out[strings.Clone(kind)] = n
	}
	return out
}

// ReadOutputs adds up the summaries of the generators of a phase, in a load of one entry
// that says what was asked for. Counts are sums; a quantile of several generators is not
// known from theirs, and stays 0.
func ReadOutputs(load *record.Load, outputs []Output) {
	var sum summary
	var mean weighted
	found := 0
	for _, o := range outputs {
		s, ok, err := o.said.summary, o.said.found, o.said.err
		part := record.Part{Name: o.Name, Node: o.Node, Took: o.Took, Late: o.Late}
		if load.Asked > 0 {
			part.Expected = uint64(load.Asked * load.Planned.Seconds() / float64(len(outputs)))
		}
		switch {
		case err != nil:
			load.Stopped, load.Code = fmt.Sprintf("reading the summary of %s: %v", o.Name, err), record.Unread
			return
		case o.Code != 0 && (!ok || o.Code != s.missed):
			load.Stopped = fmt.Sprintf("the load failed: %s ended with exit code %d%s", o.Name, o.Code, o.said.last)
			return
		case !ok && o.Took > 0 && o.Took < time.Duration(leastTime*float64(load.Planned)):
			load.Stopped = fmt.Sprintf("%s ended after %s of %s without a summary of what it sent: "+
				"make it load for $LEAKGATE_DURATION", o.Name, o.Took.Round(10*time.Millisecond), load.Planned)
			return
		case ok:
			found++
			part.Sent, part.Succeeded = s.requests, s.requests-min(s.failed, s.requests)
			mean.add(s.mean, s.requests)
			sum.add(s)
		}
		load.Parts = append(load.Parts, part)
	}
	switch {
	case found == 0:
		load.Uncounted, load.Parts = true, nil
		load.Sent, load.Answered, load.Succeeded = 1, 1, 1
		load.Entries[0].Sent, load.Entries[0].Answered, load.Entries[0].Succeeded = 1, 1, 1
		return
	case found < len(outputs):
		load.Stopped = fmt.Sprintf("%d of %d pods printed a summary of what they sent", found, len(outputs))
		load.Code = record.Unread
		return
	}
	if sum.mean = mean.value(); found > 1 {
		sum.p50, sum.p90, sum.p99 = 0, 0, 0
	}
	sum.fill(load)
	if load.Asked > 0 {
		load.Expected = uint64(load.Asked * load.Planned.Seconds())
	}
}

// add adds another generator's summary.
func (s *summary) add(o summary) {
	s.requests, s.failed, s.workers = s.requests+o.requests, s.failed+o.failed, s.workers+o.workers
	s.codes, s.errors = addKinds(s.codes, o.codes, 0), addKinds(s.errors, o.errors, maxErrorKinds)
	s.p50, s.p90, s.p99, s.max = o.p50, o.p90, o.p99, max(s.max, o.max)
}
