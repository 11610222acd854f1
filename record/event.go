package record

import "slices"

// event is one line of the journal: exactly one field is set.
type event struct {
	Header   *Header   `json:"run,omitempty"`
	Phase    *Phase    `json:"phase,omitempty"`
	Target   *Target   `json:"target,omitempty"`
	Identity *Identity `json:"sight,omitempty"`
	Capture  *Capture  `json:"capture,omitempty"`
	Memory   *Memory   `json:"memory,omitempty"`
	Load     *Load     `json:"load,omitempty"`
	Trial    *Trial    `json:"trial,omitempty"`
	Settle   *Settle   `json:"settle,omitempty"`
	Gap      *Gap      `json:"gap,omitempty"`
	Note     *Note     `json:"note,omitempty"`
	Change   *Change   `json:"change,omitempty"`
	Left     *Left     `json:"left,omitempty"`
	End      *End      `json:"end,omitempty"`
}

// apply adds an event to the run: the one way in which a Run comes to be,
// while it is measured and when it is read back.
func (r *Run) apply(e event) {
	switch {
	case e.Header != nil:
		r.Header = *e.Header
	case e.Phase != nil:
		r.Phases = append(r.Phases, *e.Phase)
	case e.Target != nil:
		r.Targets = append(r.Targets, *e.Target)
	case e.Identity != nil:
		r.Identities = append(r.Identities, *e.Identity)
	case e.Capture != nil:
		r.Captures = append(r.Captures, *e.Capture)
	case e.Memory != nil:
		r.Memories = append(r.Memories, *e.Memory)
	case e.Load != nil:
		r.Loads = append(r.Loads, *e.Load)
	case e.Trial != nil:
		r.Trials = append(r.Trials, *e.Trial)
	case e.Settle != nil:
		r.Settles = append(r.Settles, *e.Settle)
	case e.Gap != nil:
		r.Gaps = append(r.Gaps, *e.Gap)
	case e.Note != nil:
		r.Notes = append(r.Notes, *e.Note)
	case e.Change != nil:
		r.Changes = append(r.Changes, *e.Change)
	case e.Left != nil:
		r.leave(*e.Left)
	case e.End != nil:
		r.End = e.End
	}
}

// leave takes a target out of the run, with its samples.
func (r *Run) leave(l Left) {
	name := l.Target
	r.Left = append(r.Left, l)
	r.Targets = slices.DeleteFunc(slices.Clone(r.Targets), func(t Target) bool { return t.Name == name })
	r.Samples = slices.DeleteFunc(slices.Clone(r.Samples), func(s Sample) bool { return s.Target == name })
	r.Identities = slices.DeleteFunc(slices.Clone(r.Identities), func(i Identity) bool { return i.Target == name })
	r.Gaps = slices.DeleteFunc(slices.Clone(r.Gaps), func(g Gap) bool { return g.Target == name })
}

// left reports whether a sample is of a target that has left since: a pod of the same name may
// have taken its place.
func (r *Run) left(s Sample) bool {
	return slices.ContainsFunc(r.Left, func(l Left) bool { return l.Target == s.Target && s.At <= l.At })
}
