package loadgen

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
)

// Source is a Part and the machine that it comes from.
type Source struct {
	Part
	Name string // of its pod
	Node string
}

// Merge adds up the parts of one phase: counts, codes and errors are sums, and quantiles are
// those of all latencies together. All parts have to be there, each once. The load begins
// with the first part and ends with the last, by their own clocks.
func Merge(sources []Source) (record.Load, error) {
	sources = slices.Clone(sources)
	slices.SortStableFunc(sources, func(a, b Source) int { return cmp.Compare(a.Part.Part, b.Part.Part) })
	if err := complete(sources); err != nil {
		return record.Load{}, err
	}
	first, last := sources[0].Began, sources[0].Ended
	for _, s := range sources {
		if s.Began.Before(first) {
			first = s.Began
		}
		if s.Ended.After(last) {
			last = s.Ended
		}
	}
	out := record.Load{Planned: sources[0].Load.Planned, End: last.Sub(first)}
	for _, s := range sources {
		late := s.Began.Sub(first)
		out.Parts = append(out.Parts, s.share(s.Name, s.Node, late))
		if l := s.Load; l.Stopped != "" && out.Stopped == "" {
			out.Stopped = fmt.Sprintf("%s: %s", s.Name, l.Stopped)
		}
		addLoad(&out, s.Load)
	}
	out.Open = mergeOpen(sources, first)
	var err error
	out.Entries, err = mergeEntries(sources)
	return out, err
}

// complete asks whether sorted sources are all parts of one phase.
func complete(sources []Source) error {
	if len(sources) == 0 {
		return errors.New("no part of the load has a result")
	}
	one := sources[0]
	for i, s := range sources {
		switch {
		case s.Parts != one.Parts || s.Round != one.Round:
			return fmt.Errorf("%s sent part %d of %d of round %d, %s of %d of round %d", one.Name, one.Part.Part, one.Parts,
				one.Round, s.Name, s.Parts, s.Round)
		case len(s.Load.Entries) != len(one.Load.Entries):
			return fmt.Errorf("%s has the results of %d requests, %s of %d", one.Name, len(one.Load.Entries), s.Name,
				len(s.Load.Entries))
		case s.Part.Part != i+1 && i > 0 && s.Part.Part == sources[i-1].Part.Part:
			return fmt.Errorf("%s and %s both sent part %d of %d", sources[i-1].Name, s.Name, s.Part.Part, s.Parts)
		case s.Part.Part != i+1:
			return fmt.Errorf("nobody sent part %d of %d", i+1, one.Parts)
		}
	}
	if len(sources) < one.Parts {
		return fmt.Errorf("nobody sent part %d of %d", len(sources)+1, one.Parts)
	}
	return nil
}

// addLoad adds the totals of one part. Of what each machine has for itself, the worst counts.
func addLoad(out *record.Load, l record.Load) {
	out.Asked, out.Expected = out.Asked+l.Asked, out.Expected+l.Expected
	out.Workers, out.Connections, out.Held = out.Workers+l.Workers, out.Connections+l.Connections, out.Held+l.Held
	out.Sent, out.Answered, out.Succeeded = out.Sent+l.Sent, out.Answered+l.Answered, out.Succeeded+l.Succeeded
	out.Opened, out.Abandoned = out.Opened+l.Opened, out.Abandoned+l.Abandoned
	out.CPU, out.Delay = max(out.CPU, l.CPU), max(out.Delay, l.Delay)
}

// mergeEntries adds up the results of every request.
func mergeEntries(sources []Source) ([]record.Entry, error) {
	var entries []record.Entry
	for i, e := range sources[0].Load.Entries {
		sum := record.Entry{Name: e.Name}
		latencies := NewLatencies()
		var mean weighted
		for _, s := range sources {
			mean.add(s.Load.Entries[i].Mean, s.Latencies[i].Count())
			addEntry(&sum, s.Load.Entries[i])
			if err := latencies.merge(s.Latencies[i]); err != nil {
				return nil, fmt.Errorf("adding up latencies of %s: %w", s.Name, err)
			}
		}
		sum.Mean = mean.value()
		at := func(share float64) time.Duration { return min(latencies.Quantile(share), sum.Max) }
		sum.P50, sum.P90, sum.P99 = at(0.50), at(0.90), at(0.99)
		entries = append(entries, sum)
	}
	return entries, nil
}

// addEntry adds the counts of one part's results of a request.
func addEntry(sum *record.Entry, e record.Entry) {
	sum.Sent, sum.Answered, sum.Succeeded = sum.Sent+e.Sent, sum.Answered+e.Answered, sum.Succeeded+e.Succeeded
	sum.Abandoned, sum.Cut = sum.Abandoned+e.Abandoned, sum.Cut+e.Cut
	sum.BytesIn, sum.BytesOut = sum.BytesIn+e.BytesIn, sum.BytesOut+e.BytesOut
	sum.Max = max(sum.Max, e.Max)
	sum.Codes = addKinds(sum.Codes, e.Codes, 0)
	sum.Errors = addKinds(sum.Errors, e.Errors, maxErrorKinds)
}

// addKinds adds counts by kind. Beyond most kinds, they are counted as other; 0: any number.
func addKinds(sum, more map[string]uint64, most int) map[string]uint64 {
	for _, kind := range slices.Sorted(maps.Keys(more)) {
		n := more[kind]
		if sum == nil {
			sum = map[string]uint64{}
		}
		if _, known := sum[kind]; !known && most > 0 && len(sum) >= most {
			kind = "other"
		}
		sum[kind] += n
	}
	return sum
}

// weighted is a mean of means.
type weighted struct {
	sum   float64 // nanoseconds
	count uint64
}

func (w *weighted) add(mean time.Duration, count uint64) {
	w.sum, w.count = w.sum+float64(mean)*float64(count), w.count+count
}

func (w *weighted) value() time.Duration {
	if w.count == 0 {
		return 0
	}
	return time.Duration(w.sum / float64(w.count))
}

// mergeOpen adds up how many connections were open: at each moment at which a machine
// counted its own, with what the others had counted last.
func mergeOpen(sources []Source, first time.Time) []record.Open {
	type count struct {
		at     time.Duration
		source int
		open   int
	}
	var counts []count
	for i, s := range sources {
		for _, o := range s.Load.Open {
			counts = append(counts, count{s.Began.Sub(first) + o.At, i, o.Open})
		}
	}
	slices.SortStableFunc(counts, func(a, b count) int { return cmp.Compare(a.at, b.at) })
	now, sum := make([]int, len(sources)), 0
	var out []record.Open
	for _, c := range counts {
		sum += c.open - now[c.source]
		now[c.source] = c.open
		if n := len(out); n > 0 && c.at-out[n-1].At < sampling/2 { // counted by several at about the same time
			out[n-1].Open = sum
			continue
		}
		out = append(out, record.Open{At: c.at, Open: sum})
	}
	return out
}
