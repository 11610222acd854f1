package kubeload

import (
	"fmt"
	"time"

	"github.com/leakgate/leakgate/loadgen"
)

// tellEvery is the least time between two lines that tell people what a phase waits for, and
// before the first one: pods mostly take less.
const tellEvery = 3 * time.Second

// teller tells people how many pods run, each time that this has changed.
type teller struct {
	of   loadgen.Phase
	at   time.Time // when it was told last, or the wait began
	last string
}

func newTeller(of loadgen.Phase) *teller { return &teller{of: of, at: time.Now()} }

// tell says how far a phase's pods are. A nil teller is silent.
func (t *teller) tell(w *watched) {
	if t == nil || time.Since(t.at) < tellEvery {
		return
	}
	if text := fmt.Sprintf("waiting for %d pods: %d run", w.want, w.run()); text != t.last {
		t.at, t.last = time.Now(), text
		say(t.of, text)
	}
}
