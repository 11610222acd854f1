package stacks

import "strings"

// waits maps a frame near the top of a parked goroutine to the state that a
// debug=2 dump would print for it. Names as of Go 1.20 to 1.27.
var waits = []struct{ function, state string }{
	{"runtime.chansend", "chan send"},
	{"runtime.chanrecv", "chan receive"},
	{"runtime.selectgo", "select"},
	{"runtime.block", "select (no cases)"},
	{"internal/poll.runtime_pollWait", "IO wait"},
	{"sync.runtime_SemacquireRWMutexR", "sync.RWMutex.RLock"},
	{"sync.runtime_SemacquireRWMutex", "sync.RWMutex.Lock"},
	{"internal/sync.runtime_SemacquireMutex", "sync.Mutex.Lock"},
	{"sync.runtime_SemacquireMutex", "sync.Mutex.Lock"},
	{"sync.runtime_SemacquireWaitGroup", "sync.WaitGroup.Wait"},
	{"sync.runtime_Semacquire", "semacquire"},
	{"sync.runtime_notifyListWait", "sync.Cond.Wait"},
	{"time.Sleep", "sleep"},
	{"syscall.Syscall", "syscall"},
	{"syscall.RawSyscall", "syscall"},
	{"runtime.cgocall", "cgo call"},
	{"runtime.gopark", "waiting"},
}

// nearTop is how many frames may lie between the innermost and the wait.
const nearTop = 8

// innermost are the frames that tell a goroutine's state.
func innermost(all []normal) []Frame {
	near := make([]Frame, min(len(all), nearTop))
	for i := range near {
		near[i] = all[i].Frame
	}
	return near
}

// stateOf reads a goroutine's wait state from its innermost frames, runtime
// frames still in place. Only a parked goroutine has a wait; within its first
// frames the most telling one decides.
func stateOf(frames []Frame) string {
	if n := stateNumber(frames); n < len(waits) {
		return waits[n].state
	}
	return ""
}

// stateNumber is the position of the wait state among waits, or their number.
func stateNumber(frames []Frame) int {
	near := frames[:min(len(frames), nearTop)]
	best := len(waits)
	for _, frame := range near {
		f := frame.Function
		for i := range best {
			if strings.HasPrefix(f, waits[i].function) {
				best = i
				break
			}
		}
		if !isRuntime(f) && !strings.HasPrefix(f, "sync.runtime_") && !strings.HasPrefix(f, "internal/") {
			break
		}
	}
	return best
}
