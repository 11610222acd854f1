package verdict

import (
	"fmt"
	"math"
	"time"

	"github.com/leakgate/leakgate/record"
)

// leastGoroutine is the memory that a goroutine takes at the least, in bytes: the
// stack that the runtime starts it with, and its descriptor.
const leastGoroutine = 2<<10 + descriptor

// project adds what the findings come to at the plan's production rate, target by
// target; after a pass, what the largest leak would that it may have missed.
func (v *Verdict) project(run record.Run, p Production) {
	if p.Rate <= 0 || v.Unit != "request" { // a rate of requests says nothing of connections
		return
	}
	rate := p.Rate / float64(max(p.Replicas, 1))
	seen := map[string]bool{}
	for _, f := range v.Findings {
		if seen[f.Target] {
			continue
		}
		seen[f.Target] = true
		per1000 := 0.0
		for _, o := range v.Findings {
			if o.Target == f.Target {
				per1000 += o.Per1000
			}
		}
		each, known := int64(leastGoroutine), false
		for _, m := range v.Memory {
			if m.Target == f.Target && m.Each != nil {
				each, known = m.Each.Heap+m.Each.Stack+descriptor, true
			}
		}
		if per1000 > 0 {
			v.Projections = append(v.Projections, projection(p, f.Target, rate*per1000/thousand, each, known, inUse(run, f.Target)))
		}
	}
	if v.Outcome == Pass && v.Sensitivity != nil && v.Sensitivity.OneIn > 0 {
		x := projection(p, "", rate/float64(v.Sensitivity.OneIn), leastGoroutine, false, 0)
		x.Message = "the largest leak that this run may have missed: " + x.Message
		v.Projections = append(v.Projections, x)
	}
}

// projection is a straight line from what is in use.
func projection(p Production, target string, perSecond float64, each int64, known bool, used uint64) Projection {
	x := Projection{Target: target, PerSecond: rounded(perSecond), Bytes: int64(perSecond * float64(each))}
	atLeast := "at least "
	if known {
		atLeast = ""
	}
	x.Message = fmt.Sprintf("at %.4g requests/s in production, each of %s loses %.3g goroutines a second, and with them %s%s an hour",
		p.Rate, plural(max(p.Replicas, 1), "replica"), perSecond, atLeast, Bytes(int64(time.Hour.Seconds()*perSecond*float64(each))))
	if p.Memory > 0 && perSecond > 0 {
		left := float64(p.Memory) - math.Min(float64(used), float64(p.Memory))
		x.Full = math.Round(left / (perSecond * float64(each)))
		within := "in"
		if !known {
			within = "within"
		}
		x.Message += fmt.Sprintf(": its %s are full %s %s", Bytes(int64(p.Memory)), within, span(x.Full))
	}
	return x
}

// inUse is how much memory a target used at baseline, in bytes; 0 if that is not
// known.
func inUse(run record.Run, target string) uint64 {
	for _, m := range run.Memories {
		if m.Target == target && m.Kind == record.Baseline {
			if m.Resident > 0 {
				return m.Resident
			}
			return m.Runtime
		}
	}
	return 0
}

// span writes a time for people: 42 minutes, 12 days.
func span(seconds float64) string {
	for _, u := range []struct {
		name string
		d    time.Duration
	}{{"year", 365 * 24 * time.Hour}, {"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		const several, endless = 2, thousand
		if n := seconds / u.d.Seconds(); n >= several {
			if n > endless {
				return "more than a thousand " + u.name + "s"
			}
			return fmt.Sprintf("%.0f %ss", n, u.name)
		}
	}
	return fmt.Sprintf("%.0f seconds", seconds)
}
