package blame

import (
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Rate is how much requests leak.
type Rate struct {
	Requests  []int // of the plan; several leak together only
	Sent      uint64
	Leaked    int
	Each      float64 // goroutines per request
	Low, High float64 // the interval that holds it
}

// measured fills in the rate and its interval, as Poisson's numbers scatter (Garwood, 1936:
// Fiducial limits for the Poisson distribution).
func (r Rate) measured(l Thresholds) Rate {
	if r.Sent == 0 {
		return r
	}
	n, sent := float64(r.Leaked), float64(r.Sent)
	r.Each = n / sent
	const sides = 2
	tail := (1 - l.Confidence) / sides
	if r.Leaked > 0 {
		r.Low = distuv.Gamma{Alpha: n, Beta: 1}.Quantile(tail) / sent
	}
	r.High = distuv.Gamma{Alpha: n + 1, Beta: 1}.Quantile(1-tail) / sent
	return r
}

// rateOf is how much requests leak, by the groups that have all of them and no other that
// would hide them: the smallest groups tell most.
func (s Stack) rateOf(groups []group, requests []int, l Thresholds) Rate {
	out := Rate{Requests: requests}
	smallest := 0
	for _, g := range groups {
		if !slices.ContainsFunc(requests, func(r int) bool { return !g.has(r) }) && (smallest == 0 || len(g.requests) < smallest) {
			smallest = len(g.requests)
		}
	}
	for _, g := range groups {
		if slices.ContainsFunc(requests, func(r int) bool { return !g.has(r) }) || len(g.requests) > l.Crowded*smallest {
			continue
		}
		for _, r := range requests {
			out.Sent += g.sent[r]
		}
		out.Leaked += g.leaked
	}
	return out.measured(l)
}

// pooled is the rate of all groups together. Its requests are those that were tried alone.
func (s Stack) pooled(groups []group, l Thresholds) Rate {
	var out Rate
	for _, g := range groups {
		out.Sent += g.total()
		out.Leaked += g.leaked
		if len(g.requests) == 1 {
			out.Requests = append(out.Requests, g.requests...)
		}
	}
	return out.measured(l)
}
