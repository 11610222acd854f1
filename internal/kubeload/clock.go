package kubeload

import (
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/leakgate/leakgate/record"
)

// All pods begin to load at one moment by the clocks of their nodes, and say by the same
// clocks when they did: that one is wrong shows only in when they end by ours.

const (
	// clocksApart is from which difference on between two clocks one is taken to be wrong.
	// The API server says whole seconds, and that a node's clock is off by less is usual.
	clocksApart = 1500 * time.Millisecond
	// statusApart is how much longer one node may take than another to say that a pod has
	// ended. A kubelet that is at rest takes a second or two.
	statusApart = 5 * time.Second
)

// offset is by how much the API server's clock is ahead of ours, if that is beyond doubt: it
// says whole seconds, some time between two moments of our clock.
func offset(server, before, after time.Time) time.Duration {
	const half = time.Second / 2
	doubt := after.Sub(before) / 2
	apart := server.Add(half).Sub(before.Add(doubt))
	if apart.Abs() < clocksApart+doubt {
		return 0
	}
	return apart
}

// end is what is known of when a pod ended, by our clock.
type end struct {
	after  time.Time // it had not yet been seen to end then
	before time.Time // it had ended then; zero: it has not
}

// saw notes what a list said of a pod, which was asked for and came at moments of our clock.
func (w *watched) saw(p *corev1.Pod, asked, came time.Time) {
	if w.ends == nil {
		w.ends = map[string]end{}
	}
	e := w.ends[p.Name]
	switch {
	case terminated(p, w.of(p)) == nil:
		e.after = asked
	case e.before.IsZero():
		e.before = came
	}
	w.ends[p.Name] = e
}

// skew corrects how late each part of a load began where our clock contradicts the nodes':
// a pod that had ended before it can have began too early, by so much at least; and one that
// had not ended long after the others can have began later than they. A look that takes long
// only means that less is known.
func (w *watched) skew(start time.Time, parts []record.Part) {
	early, first := false, time.Duration(math.MaxInt64)
	for i := range parts {
		e, known := w.ends[parts[i].Name]
		if !known || e.before.IsZero() {
			continue
		}
		latest := e.before.Sub(start) - parts[i].Took // when it began at the latest, from start on
		first = min(first, latest)
		if -latest >= clocksApart+pollEvery {
			early, parts[i].Late = true, latest
		}
	}
	for i := range parts {
		e, known := w.ends[parts[i].Name]
		if early || !known || e.after.IsZero() {
			continue // the others only seem to be late
		}
		if late := e.after.Sub(start) - parts[i].Took - first; late >= statusApart+pollEvery {
			parts[i].Late = max(parts[i].Late, late)
		}
	}
}
