package gate

import "time"

// Poll is a count while settling, for internal/lab/simulate until it drives the gate itself.
type Poll struct {
	At    time.Duration // from the end of the load
	Count int           // goroutines
}

// Level is level, for internal/lab/simulate.
func Level(polls []Poll, stretch time.Duration) bool {
	var own []poll
	for _, p := range polls {
		own = append(own, poll{at: p.At, count: p.Count})
	}
	return level(own, stretch)
}
