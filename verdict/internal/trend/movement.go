package trend

// A leaked goroutine never leaves its place. A pool's worker does while there is work: it
// is missing from its place in a profile under load, and in a dump it has not waited for
// long, since Go hands out work in the order in which workers came to wait.

// Movement is whether the goroutines of a stack leave their place while the service works.
type Movement int

// What is known of it. Goroutines that leave their place without any load, as a ticker's
// do, say nothing: leaked ones may too.
const (
	Unknown Movement = iota
	Still
	Moves
)

// Floor is the fewest goroutines of an identity under the load of a round, in so many
// profiles.
type Floor struct{ Least, Profiles int }

// Waits is what a dump says of how long an identity's goroutines have waited.
type Waits struct {
	Window int  // the last window that was a minute old
	Long   int  // goroutines that had waited for a minute or more
	Rested bool // nothing was asked of the service in the minute before
}

// Movement reports whether a stack's goroutines leave their place under load: by dumps
// where they tell, else by profiles under load, which show that some do, and not that none
// does: a worker that is busy for a millisecond is in its place in most of them, and where
// a pool still fills, new workers stand in for those that are missing.
func (t Trend) Movement(trail *Trail) Movement {
	if m := movementByWaits(t, trail); m != Unknown {
		return m
	}
	return movementByFloors(t, trail)
}

// movementByWaits reads the dumps: of the growth that was a minute old, how much had waited for as
// long? What had not is woken by work, or by itself, which a dump after a minute's rest
// tells apart.
func movementByWaits(t Trend, trail *Trail) Movement {
	base, byItself, out := t.Base(), false, Unknown
	for _, d := range t.Dumps {
		if d.Window <= base || d.Window >= len(t.Bands) {
			continue
		}
		aged := t.Bands[d.Window].Low - t.Bands[base].High
		if aged < t.Limits.AgedLeast {
			continue
		}
		limit := t.Limits.Waited * float64(aged)
		long := float64(d.Long - t.Bands[base].High)
		if d.Rested {
			byItself = byItself || float64(d.Long) < limit
			continue
		}
		switch {
		case long >= limit:
			out = Still
		case float64(d.Long) < limit:
			out = Moves
		default: // those of the baseline may be the ones that waited
			out = Unknown
		}
		trail.ask(RuleWaited, float64(d.Long), limit, out == Still)
	}
	if out == Moves && byItself {
		return Unknown
	}
	return out
}

// movementByFloors reads the profiles under load: how many goroutines were missing from their
// place, of those that the rounds before had added? Workers that were there at baseline may
// be busy beside a leak. Where some come and go without any
// load, it says nothing.
func movementByFloors(t Trend, trail *Trail) Movement {
	missing, profiles := 0, 0
	for i, f := range t.Floors {
		if f.Profiles == 0 || i >= t.rounds() {
			continue
		}
		profiles += f.Profiles
		missing += max(0, t.Bands[i].Low-t.Bands[t.Base()].High-f.Least)
	}
	if profiles > 0 && trail.ask(RuleDips, float64(missing), float64(t.Limits.Dips), missing >= t.Limits.Dips) && !t.Moves() {
		return Moves
	}
	return Unknown
}
