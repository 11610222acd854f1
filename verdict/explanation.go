package verdict

// Explanation is how the verdict on one stack came about: what was seen, what was asked
// of it, in order, and which answer decided.
type Explanation struct {
	ID       string `json:"id"` // of the stack: what leakgate explain takes
	Target   string `json:"target"`
	Function string `json:"function"` // the blamed function
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Class    string `json:"class"` // what it was taken for: leak, likely, pool, noise, draining, undecided, ignored, held or steady

	Windows []Seen     `json:"windows"`           // the baseline, then one per round
	Looks   []Looked   `json:"looks,omitempty"`   // long looks without load
	Asked   []Question `json:"asked"`             // in order; the last one decided
	Reason  string     `json:"reason"`            // the decision, in a sentence
	Change  string     `json:"change,omitempty"`  // what would have changed the answer
	Nearest bool       `json:"nearest,omitempty"` // of a pass: the stack that came closest to a leak
}

// Seen is how many goroutines a window had, of its profiles the fewest, the middle and
// the most (the highest of five or more is left out).
type Seen struct {
	Low      int    `json:"low"`
	Middle   int    `json:"middle"`
	High     int    `json:"high"`
	Requests uint64 `json:"requests,omitempty"` // sent since the window before; 0 where nobody counts them
	// Floor is the fewest goroutines under load, in the round before the window, and
	// Profiles of how many profiles; 0 where none was taken.
	Floor    int `json:"floor,omitempty"`
	Profiles int `json:"profiles,omitempty"`
}

// Looked is a long look at a stack while nothing was asked of it.
type Looked struct {
	Round   int     `json:"round"`
	Seconds float64 `json:"seconds"` // from the end of the load to the last capture
	Age     float64 `json:"age_s"`   // how long the goroutines of the first round had been there by then, in seconds
	Lowest  int     `json:"lowest"`  // goroutines
	Last    int     `json:"last"`
}

// Question is something that was asked of a stack's history.
type Question struct {
	Rule      string  `json:"rule"`     // its name, as in docs/thresholds.md
	Question  string  `json:"question"` // for people
	Answer    bool    `json:"answer"`
	Statistic float64 `json:"statistic"` // what was compared
	Limit     float64 `json:"limit"`     // with what
	Unit      string  `json:"unit,omitempty"`
	Threshold string  `json:"threshold,omitempty"` // the threshold that the limit comes from, as judge --thresholds takes it
}
