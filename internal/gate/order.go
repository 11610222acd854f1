package gate

import "sync"

// order has whoever looks at a target wait for those who do already. Its turns are
// channels, not mutexes: a test's virtual clock goes on while somebody waits for one.
type order struct {
	mu    sync.Mutex
	turns map[string]chan struct{} // by target; full while it is looked at
}

// turn waits for a target's turn; what it returns ends it.
func (o *order) turn(target string) (done func()) {
	o.mu.Lock()
	if o.turns == nil {
		o.turns = map[string]chan struct{}{}
	}
	turn, ok := o.turns[target]
	if !ok {
		turn = make(chan struct{}, 1)
		o.turns[target] = turn
	}
	o.mu.Unlock()
	turn <- struct{}{}
	return func() { <-turn }
}
