package blame

import "time"

// Thresholds are the numbers by which requests are blamed, and cleared.
type Thresholds struct {
	// Budget is how long all trials of a run may load, in sum. Coming to rest between them
	// comes on top.
	Budget time.Duration `json:"budget"`
	// FirstShare is the share of the budget for the first trials, which halve all requests
	// again and again; the rest is for what they leave open.
	FirstShare float64 `json:"first_share"`
	// Wanted is how many goroutines a trial aims to leak of each stack if its requests are
	// the ones that leak it: if they are not, none shows, with a chance of 6 in a million to
	// be wrong.
	Wanted float64 `json:"wanted"`
	// Enough is how many have to be expected for a trial without any to clear its requests,
	// with a chance of 2 in 1,000 to be wrong.
	Enough float64 `json:"enough"`
	// Faster is by how many times its share of the plan's rate a request may be sent when
	// others are left out. Loads that the plan never asked for might disturb more than they
	// tell.
	Faster float64 `json:"faster"`
	// Shortest and Longest are what one trial loads.
	Shortest time.Duration `json:"shortest"`
	Longest  time.Duration `json:"longest"` // See Shortest.
	// Partly is the share of a leak from which requests are said to take part in it.
	Partly float64 `json:"partly"`
	// Least is the growth, in goroutines, below which no request is blamed.
	Least int `json:"least"`
	// Confidence is the probability with which the interval of a rate holds it.
	Confidence float64 `json:"confidence"`
	// Alike is the probability under which trials leak too differently for every request to
	// leak alike.
	Alike float64 `json:"alike"`
	// Odds is how many times likelier than any other a request has to be the only one that
	// leaks to be blamed for all, and Besides how many goroutines a trial grows by chance.
	Odds    float64 `json:"odds"`
	Besides float64 `json:"besides"` // See Odds.
	// Single is how many requests are tried one by one, in a plan that has no more, and
	// where the halves have left no more.
	Single int `json:"single"`
	// Repeats is how often a trial is made at most, for stacks that leak too rarely to tell
	// by one.
	Repeats int `json:"repeats"`
	// Crowded is by how many times a group may have more requests than the smallest that has
	// one of them for its leak to count towards that one's rate.
	Crowded int `json:"crowded"`
	// Samples is how many requests are tried alone where all of them seem to leak alike.
	Samples int `json:"samples"`
}

// Default is what leakgate blames by.
func Default() Thresholds {
	return Thresholds{
		Budget: time.Minute, FirstShare: 0.9, Wanted: 12, Enough: 6, Faster: 4, Shortest: time.Second, Longest: 10 * time.Second,
		Partly: 0.1, Least: 3, Confidence: 0.95, Alike: 0.001, Odds: 10_000, Besides: 0.1, Single: 6, Repeats: 3, Crowded: 2, Samples: 3,
	}
}
