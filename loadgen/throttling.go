package loadgen

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// Throttling is how often a processor limit, such as a container's, has made this process
// wait: the counters of its cgroup.
type Throttling struct {
	Periods   uint64        `json:"periods"`   // in which it wanted to run
	Throttled uint64        `json:"throttled"` // of them, those in which its share was used up
	Time      time.Duration `json:"time"`      // for which it waited, over all its threads
}

// throttlingFiles are where a container sees the counters of its own cgroup: in version 2
// of cgroups, and in version 1.
var throttlingFiles = [...]string{"/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat",
	"/sys/fs/cgroup/cpu,cpuacct/cpu.stat"}

// maxThrottlingFile bounds what is read of such a file, in bytes: it has a dozen short lines.
const maxThrottlingFile = 64 << 10

// ReadThrottling reads the counters; nil where there is no limit, or nothing says so.
func ReadThrottling() *Throttling {
	for _, name := range throttlingFiles {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		defer f.Close()
		text := make([]byte, maxThrottlingFile)
		n, _ := f.Read(text)
		if t := parseThrottling(text[:n]); t != nil {
			return t
		}
	}
	return nil
}

// parseThrottling reads cpu.stat of either version; nil if it has no counters of a limit.
func parseThrottling(text []byte) *Throttling {
	var t Throttling
	found := false
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "nr_periods":
			t.Periods, found = n, true
		case "nr_throttled":
			t.Throttled = n
		case "throttled_usec": // version 2
			t.Time = time.Duration(min(n, uint64(maxThrottled/time.Microsecond))) * time.Microsecond
		case "throttled_time": // version 1, in nanoseconds
			t.Time = time.Duration(min(n, uint64(maxThrottled)))
		}
	}
	if !found {
		return nil
	}
	return &t
}

// maxThrottled is more time than a process can have waited: 100 years.
const maxThrottled = 100 * 365 * 24 * time.Hour

// since is what was added to the counters; nil if there is no limit, they are not known, or
// were reset.
func (t *Throttling) since(before *Throttling) *Throttling {
	if t == nil || before == nil || t.Periods == 0 || t.Periods < before.Periods || t.Throttled < before.Throttled || t.Time < before.Time {
		return nil
	}
	return &Throttling{Periods: t.Periods - before.Periods, Throttled: t.Throttled - before.Throttled,
		Time: t.Time - before.Time}
}

// Share is the share of the periods in which the limit was reached, 0 to 1.
func (t Throttling) Share() float64 {
	if t.Periods == 0 {
		return 0
	}
	return float64(min(t.Throttled, t.Periods)) / float64(t.Periods)
}
