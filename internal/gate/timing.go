package gate

import "time"

// Every number that says when, how often or how long something is measured is in this file.
// Those that say what a measurement means are package verdict's.

// Before the load.
const (
	// looksAtStart is how often each target is asked who it is before the load. Every
	// request is a new connection: behind a load balancer with two backends, three looks in
	// a row meet the same one in 1 of 4 runs, and the run has many more looks.
	looksAtStart = 3
	// rampShare is the part of the warm-up in which the load rises to its rate, one in so
	// many: the rest is at the rate of the rounds.
	rampShare = 2
)

// Counts, through all rounds.
const (
	// sampleEvery is the interval of counts. Where connections are held, a round has
	// samplesHeld of them at least, as far as leastEvery allows: what they gather is looked
	// for in quarters of it.
	sampleEvery = time.Second
	samplesHeld = 20
	leastEvery  = 100 * time.Millisecond
	// identityEvery is how many samples lie between two looks at who the target is, where
	// the samples themselves do not show it.
	identityEvery = 5
	// lostAfter is how many samples in a row may fail before a target counts as lost. A
	// deploy of the target takes longer; a dropped packet does not.
	lostAfter = 3
	// costly is by how many times the interval of counts exceeds what one costs, at least:
	// a profile of tens of thousands of stacks is not asked for every second.
	costly = 25
	// samplesLeft is how many counts a round has all the same.
	samplesLeft = 6
)

// Movement, while a round is loaded.
const (
	// movementAfter is how far into a round the first profile is taken. Before, workers that
	// rested since the last round may not have been called yet, and connections not be open.
	movementAfter = time.Second
	// movementEvery is the least time between two profiles; costly makes it longer.
	movementEvery = time.Second
)

// Coming to rest, and windows.
const (
	// settleEvery is the interval of polls while a target comes to rest.
	settleEvery = 400 * time.Millisecond
	// settleMargin is how much longer than the plan's quiet time settling takes at least, as
	// people are told: the collections and the window.
	settleMargin = time.Second
	// quietScrapes and patienceScrapes bound, in scrapes, how long a target that is scraped
	// has to be level, and how long it is waited for: three samples show a level, and seven
	// a level after a fall.
	quietScrapes    = 2
	patienceScrapes = 6
	// freedShare is the part of a target's goroutines that a collection has to set free for
	// another one to be worth waiting for: one in so many.
	freedShare = 100
	// windowSize is how many profiles a window has. What stays is in all of them; with five,
	// one that caught stragglers can be left out of account.
	windowSize = 5
	// windowEvery is the interval between the profiles of a window. Goroutines that were not
	// scheduled yet in one have their frames in the next.
	windowEvery = 200 * time.Millisecond
	// countedWindow is how many samples a window has of a target that is scraped: each takes
	// as long as a scrape.
	countedWindow = 3
	// askTries is how often something that the verdict needs is asked for.
	askTries = 3
	// drainStretch is how much of the polls at the end of settling says how fast a target
	// still moves: a second or two would show the noise.
	drainStretch = 10 * time.Second
)

// Held connections.
const (
	// heldEarly is the part of a plateau after which goroutines are counted first: one in so
	// many. Goroutines of a connection may come up late.
	heldEarly = 4
	// heldLate is how long before the plateau's end they are counted last, as a part of it,
	// and at most mostLate: all connections are still open then.
	heldLate = 8
	mostLate = time.Second
)

// Proof, long looks and dumps.
const (
	// readings is how often the runtime is asked for proof: one reading can miss a leak that
	// another finds.
	readings = 2
	// looks is how many captures a long look has, about; leastLook and mostLook bound the
	// time between two. More would weigh on the target, and fewer would miss when it fell.
	looks     = 30
	leastLook = 500 * time.Millisecond
	mostLook  = 5 * time.Second
	// collectEvery is how many captures of a long look lie between two forced collections.
	collectEvery = 6
	// maxDump is the count of goroutines above which no debug=2 dump is asked for: it stops
	// the target for about 5 ms per thousand.
	maxDump = 5000
)

// Trials, which load some requests only.
const (
	// trialRest is how long targets are given to come to rest after a trial; those that are
	// scraped, patienceScrapes at least.
	trialRest = 10 * time.Second
	// trialWindow is how many profiles are taken after a trial.
	trialWindow = 3
)
