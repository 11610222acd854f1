package gate

import (
	"math"
	"time"
)

// What makes counts level.
const (
	// levelPolls is the fewest polls that show a level: two halves, and one between.
	levelPolls = 3
	// levelSpan is the part of the stretch that they have to cover: polls are not quite on
	// time.
	levelSpan = 0.9
	// levelShare is by which part of the count the means of the two halves may differ: large
	// counts waver by a percent.
	levelShare = 0.01
	// levelScatter is by how many standard deviations of the counts they may. The means of
	// six polls' halves of one level differ by more in one of three looks; the next look is
	// a poll later.
	levelScatter = 0.8
	// drain is the change, in goroutines, from which a stretch of counts that only
	// fall, or only rise, is a drain or growth however slow it is: polled often
	// enough, a slow one looks level by the halves' means now and then.
	drain = 3
)

// poll is a count while settling.
type poll struct {
	at    time.Duration // from the end of the load
	count int           // goroutines
}

// level reports whether the counts of the last stretch of time no longer move in
// one direction: the means of its two halves differ by no more than what noise
// explains. A service that other people use never stands still, but it is level.
func level(polls []poll, stretch time.Duration) bool {
	recent := last(polls, stretch)
	if len(recent) < levelPolls || float64(span(recent)) < levelSpan*float64(stretch) {
		return false
	}
	if oneWay(recent) {
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
	allowed := max(1, levelShare*sum/n, levelScatter*deviation)
	return math.Abs(mean(a)-mean(b)) <= allowed
}

// oneWay reports whether counts go one way only.
func oneWay(polls []poll) bool {
	falls, rises := true, true
	for i := 1; i < len(polls); i++ {
		falls = falls && polls[i].count <= polls[i-1].count
		rises = rises && polls[i].count >= polls[i-1].count
	}
	change := polls[len(polls)-1].count - polls[0].count
	return falls && change <= -drain || rises && change >= drain
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

// span is the time from the first poll to the last.
func span(polls []poll) time.Duration { return polls[len(polls)-1].at - polls[0].at }

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
	d := span(recent)
	if d <= 0 {
		return 0
	}
	return float64(recent[len(recent)-1].count-recent[0].count) / d.Seconds()
}
