package record

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
	case e.End != nil:
		r.End = e.End
	}
}
