package gate

import (
	"math"
	"time"
)

// Poll is a count while settling.
type Poll struct {
	At    time.Duration // from the end of the load
	Count int           // goroutines
}

// Level reports whether the counts of the last stretch of time no longer move in
// one direction: the means of its two halves differ by no more than what noise
// explains. A service that other people use never stands still, but it is level.
func Level(polls []Poll, stretch time.Duration) bool {
	recent := last(polls, stretch)
	if len(recent) < 3 || recent[len(recent)-1].At-recent[0].At < stretch*9/10 {
		return false
	}
	if oneWay(recent) {
		return false
	}
	half := len(recent) / 2
	a, b := recent[:half], recent[len(recent)-half:]
	sum, squares := 0.0, 0.0
	for _, p := range recent {
		sum += float64(p.Count)
		squares += float64(p.Count) * float64(p.Count)
	}
	n := float64(len(recent))
	deviation := math.Sqrt(max(0, squares/n-(sum/n)*(sum/n)))
	allowed := max(1, sum/n*0.01, 0.8*deviation)
	return math.Abs(mean(a)-mean(b)) <= allowed
}

// drain is the change, in goroutines, from which a stretch of counts that only
// fall, or only rise, is a drain or growth however slow it is: polled often
// enough, a slow one looks level by the halves' means now and then.
const drain = 3

// oneWay reports whether counts go one way only.
func oneWay(polls []Poll) bool {
	falls, rises := true, true
	for i := 1; i < len(polls); i++ {
		falls = falls && polls[i].Count <= polls[i-1].Count
		rises = rises && polls[i].Count >= polls[i-1].Count
	}
	change := polls[len(polls)-1].Count - polls[0].Count
	return falls && change <= -drain || rises && change >= drain
}

// last is the end of polls that spans at least stretch, if so many there are.
func last(polls []Poll, stretch time.Duration) []Poll {
	for i := len(polls) - 1; i >= 0; i-- {
		if polls[len(polls)-1].At-polls[i].At >= stretch {
			return polls[i:]
		}
	}
	return polls
}

func mean(polls []Poll) float64 {
	sum := 0.0
	for _, p := range polls {
		sum += float64(p.Count)
	}
	return sum / float64(len(polls))
}

// slope is the change over the last stretch, in goroutines per second.
func slope(polls []Poll, stretch time.Duration) float64 {
	recent := last(polls, stretch)
	if len(recent) < 2 {
		return 0
	}
	d := recent[len(recent)-1].At - recent[0].At
	if d <= 0 {
		return 0
	}
	return float64(recent[len(recent)-1].Count-recent[0].Count) / d.Seconds()
}
