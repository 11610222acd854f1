package gate

import (
	"math"
	"time"
)

// poll is a count while settling.
type poll struct {
	at    time.Duration // from the end of the load
	count int           // goroutines
}

// level tells whether the counts of the last stretch of time no longer move in
// one direction: the means of its two halves differ by no more than what noise
// explains. A service that other people use never stands still, but it is level.
func level(polls []poll, stretch time.Duration) bool {
	recent := last(polls, stretch)
	if len(recent) < 3 || recent[len(recent)-1].at-recent[0].at < stretch*9/10 {
		return false
	}
	half := len(recent) / 2
	a, b := recent[:half], recent[len(recent)-half:]
	sum, squares := 0.0, 0.0
	for _, p := range recent {
		sum += float64(p.count)
		squares += float64(p.count) * float64(p.count)
	}
	n := float64(len(recent))
	deviation := math.Sqrt(max(0, squares/n-(sum/n)*(sum/n)))
	allowed := max(1, sum/n*0.01, 0.8*deviation)
	return math.Abs(mean(a)-mean(b)) <= allowed
}

// last is the end of polls that spans at least stretch, if so many there are.
func last(polls []poll, stretch time.Duration) []poll {
	for i := len(polls) - 1; i >= 0; i-- {
		if polls[len(polls)-1].at-polls[i].at >= stretch {
			return polls[i:]
		}
	}
	return polls
}

func mean(polls []poll) float64 {
	sum := 0.0
	for _, p := range polls {
		sum += float64(p.count)
	}
	return sum / float64(len(polls))
}

// slope is the change over the last stretch, in goroutines per second.
func slope(polls []poll, stretch time.Duration) float64 {
	recent := last(polls, stretch)
	if len(recent) < 2 {
		return 0
	}
	d := recent[len(recent)-1].at - recent[0].at
	if d <= 0 {
		return 0
	}
	return float64(recent[len(recent)-1].count-recent[0].count) / d.Seconds()
}
