package loadgen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/leakgate/leakgate/internal/quote"
	"github.com/leakgate/leakgate/record"
)

// PartVersion is the format of a Part's JSON. A part of another version is refused: what
// it means by its numbers is not known.
const PartVersion = 1

// Part is what one generator sent of a phase, so that several can be added up: what
// `leakgate attack` prints.
type Part struct {
	Version int       `json:"leakgate_attack"` // PartVersion
	Tool    string    `json:"tool"`            // version of leakgate
	Part    int       `json:"part"`            // from 1
	Parts   int       `json:"parts"`
	Round   int       `json:"round"`
	Began   time.Time `json:"began"` // by the generator's own clock
	Ended   time.Time `json:"ended"` // as soon as no connection was open
	// Throttled is how its processor limit held it back; nil where nothing says so.
	Throttled *Throttling `json:"throttled,omitempty"`
	Load      record.Load `json:"load"`
	// Latencies has an element for each of the load's entries.
	Latencies []*Latencies `json:"latencies"`
}

// RunPart sends one generator's share of a phase.
func RunPart(run func(Phase) record.Load, lines int, phase Phase, tool string, now func() time.Time) Part {
	p := Part{
		Version: PartVersion, Tool: tool, Part: phase.Share.Index + 1, Parts: max(phase.Share.Of, 1), Round: phase.Round,
		Latencies: make([]*Latencies, lines),
	}
	for i := range p.Latencies {
		p.Latencies[i] = NewLatencies()
	}
	phase.Took = func(line int, latency time.Duration) { p.Latencies[line].Add(latency) }
	before := ReadThrottling()
	p.Began = now().UTC()
	p.Load = run(phase)
	p.Ended = now().UTC()
	p.Throttled = ReadThrottling().since(before)
	p.Load.Kind, p.Load.Round = record.Warmup, phase.Round
	if phase.Round > 0 {
		p.Load.Kind = record.Round
	}
	p.Load.End = p.Ended.Sub(p.Began)
	return p
}

// Hide takes secrets out of a part's texts.
func (p *Part) Hide(mask func(string) string) {
	p.Load.Stopped = mask(p.Load.Stopped)
	for i := range p.Load.Entries {
		e := &p.Load.Entries[i]
		e.Name = mask(e.Name)
		var masked map[string]uint64
		for text, n := range e.Errors {
			masked = addKinds(masked, map[string]uint64{mask(text): n}, 0)
		}
		e.Errors = masked
	}
}

// Write writes a part as one line.
func (p Part) Write() ([]byte, error) {
	line, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encoding the result: %w", err)
	}
	return append(line, '\n'), nil
}

// errNoPart is returned for a text without a part.
var errNoPart = errors.New("there is no result of leakgate attack")

// maxPartLine bounds the line of a part, in bytes: ten thousand requests with a thousand
// buckets of latencies each.
const maxPartLine = maxOutput

// ReadPart reads the last part in what a generator printed, which may also hold messages.
func ReadPart(text []byte) (Part, error) {
	begin := []byte(`{"leakgate_attack":`)
	at := bytes.LastIndex(text, append([]byte("\n"), begin...)) + 1
	if at == 0 && !bytes.HasPrefix(text, begin) {
		return Part{}, errNoPart
	}
	line, _, whole := bytes.Cut(text[at:], []byte("\n"))
	switch {
	case !whole:
		return Part{}, errors.New("the result of leakgate attack is cut off")
	case len(line) > maxPartLine:
		return Part{}, fmt.Errorf("the result of leakgate attack has %d bytes", len(line))
	}
	var p Part
	if err := json.Unmarshal(line, &p); err != nil {
		return Part{}, fmt.Errorf("reading the result of leakgate attack: %w", err)
	}
	return p, p.check()
}

// check refuses a part that contradicts itself.
func (p Part) check() error {
	switch {
	case p.Version != PartVersion:
		return fmt.Errorf("the result of leakgate attack (leakgate %s) has version %d; this leakgate reads version %d",
			quote.Text(p.Tool, maxQuoted), p.Version, PartVersion)
	case p.Parts < 1 || p.Part < 1 || p.Part > p.Parts:
		return fmt.Errorf("part %d of %d is no part of a load", p.Part, p.Parts)
	case len(p.Latencies) != len(p.Load.Entries):
		return fmt.Errorf("the result of leakgate attack has %d requests and the latencies of %d", len(p.Load.Entries),
			len(p.Latencies))
	case p.Ended.Before(p.Began):
		return errors.New("the result of leakgate attack ends before it begins")
	}
	var sum record.Load
	for i, e := range p.Load.Entries {
		if p.Latencies[i] == nil {
			return fmt.Errorf("the result of leakgate attack has no latencies of %s", quote.Text(e.Name, maxQuoted))
		}
		if e.Sent > mostRequests || e.Answered > e.Sent || e.Abandoned > e.Sent {
			return fmt.Errorf("the result of leakgate attack counts %d requests of %s, and %d answers", e.Sent,
				quote.Text(e.Name, maxQuoted), e.Answered)
		}
		sum.Sent, sum.Succeeded = sum.Sent+e.Sent, sum.Succeeded+e.Succeeded
	}
	if sum.Sent != p.Load.Sent || sum.Succeeded != p.Load.Succeeded {
		return fmt.Errorf("the requests of the result of leakgate attack add up to %d, not to %d", sum.Sent, p.Load.Sent)
	}
	return nil
}

// share is the part as a run records it.
func (p Part) share(name, node string, late time.Duration) record.Part {
	l := p.Load
	out := record.Part{
		Name: name, Node: node, Late: late, Took: p.Ended.Sub(p.Began), Expected: l.Expected, Sent: l.Sent,
		Succeeded: l.Succeeded, Workers: l.Workers, Connections: l.Connections, CPU: l.CPU, Delay: l.Delay,
	}
	if p.Throttled != nil {
		out.Throttled = math.Round(1000*p.Throttled.Share()) / 1000
	}
	for _, e := range l.Entries {
		out.Entries = append(out.Entries, e.Sent)
	}
	return out
}
