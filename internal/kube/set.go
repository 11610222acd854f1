package kube

import (
	"context"
	"errors"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/leakgate/leakgate/record"
)

// Set is the pods of one target, and what happens to them. The pods are found, and found
// again after the warm-up, when the set is frozen by their UIDs. Until then only what ends a
// container counts; from then on any change of the set does, too. Its methods may be called
// from several goroutines.
type Set struct {
	client *Client
	target Target

	mu      sync.Mutex
	version string                   // of the last list
	members map[types.UID]corev1.Pod // as they were found
	latest  map[types.UID]corev1.Pod // as they were seen last, those that are gone too
	gone    map[types.UID]bool       // of latest: deleted altogether
	names   map[types.UID]string     // of the targets that they are, where that is not the pod's
	frozen  bool
	noticed time.Time               // when the set was first seen to differ
	moved   time.Time               // when that difference last changed
	state   string                  // the difference, to tell when it changes
	unready map[types.UID]time.Time // when members were first seen not to be ready
	told    map[string]bool
}

// NewSet makes a set. It sends nothing.
func (c *Client) NewSet(t Target) *Set {
	return &Set{client: c, target: t, names: map[types.UID]string{}, unready: map[types.UID]time.Time{},
		told: map[string]bool{}}
}

// Call gives a pod's target another name than the pod's.
func (s *Set) Call(i Instance, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[types.UID(i.Pod.UID)] = name
}

// nameOf is the name of the target that a pod is. Under s.mu.
func (s *Set) nameOf(p *corev1.Pod) string {
	if name, ok := s.names[p.UID]; ok {
		return name
	}
	return p.Name
}

// Name is the target's name in the plan.
func (s *Set) Name() string { return s.target.Name }

// Target is the target as it was given.
func (s *Set) Target() Target { return s.target }

// Find lists the pods that are ready, and says how they are reached; of those that are not,
// why.
func (s *Set) Find(ctx context.Context) ([]Instance, []string, error) {
	members, out, why, err := s.find(ctx)
	if err != nil {
		return nil, why, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members, s.latest, s.gone = members, clone(members), map[types.UID]bool{}
	return out, why, nil
}

// Freeze finds the pods once more: from now on these are the set. It returns the new ones,
// and the names of those that have left since Find. It waits for an API server that is away.
func (s *Set) Freeze(ctx context.Context) (added []Instance, left []string, err error) {
	members, all, err := s.complete(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := map[types.UID]bool{}
	for id, p := range s.members {
		if _, stays := members[id]; stays {
			members[id] = p // a restart since then is one
			before[id] = true
			continue
		}
		left = append(left, s.nameOf(&p))
	}
	for _, i := range all {
		if !before[types.UID(i.Pod.UID)] {
			added = append(added, i)
		}
	}
	latest := clone(members)
	for id := range members {
		if p, ok := s.latest[id]; ok {
			latest[id] = p
		}
	}
	s.members, s.latest, s.gone, s.frozen = members, latest, map[types.UID]bool{}, true
	return added, left, nil
}

// complete finds the pods once there are as many as before, or time is up: one that was
// replaced in the warm-up may not be ready yet.
func (s *Set) complete(ctx context.Context) (map[types.UID]corev1.Pod, []Instance, error) {
	s.mu.Lock()
	before := len(s.members)
	s.mu.Unlock()
	for began := time.Now(); ; {
		members, all, why, err := s.find(ctx)
		var none *NoneError
		coming := err == nil && len(members) < before && len(why) > 0 || errors.As(err, &none) && len(none.Why) > 0
		wait := coming && time.Since(began) < joining || away(err) && time.Since(began) < patience
		if !wait || !pause(ctx, retryEvery) {
			return members, all, err
		}
	}
}

func clone(all map[types.UID]corev1.Pod) map[types.UID]corev1.Pod {
	out := make(map[types.UID]corev1.Pod, len(all))
	for id, p := range all {
		out[id] = p
	}
	return out
}

const (
	// telling is how long it takes from the first sign that a set changes until it is said
	// what happened: whether a pod that goes is replaced, and by what, shows a moment later.
	telling = 3 * time.Second
	// replacing is how long a pod that ends may keep others waiting for its replacement: its
	// grace period, which is 30 s by default, and a few seconds.
	replacing = 45 * time.Second
	// resting is how long a pod may be not ready without this being told: a probe that fails
	// now and then is no change of the set.
	resting = 15 * time.Second
	// relistEvery is the time between two lists where the watch is refused.
	relistEvery = 5 * time.Second
	// joining is how long a pod that replaces another in the warm-up may take to be ready.
	joining = 30 * time.Second
	// listTime is how long one list may take.
	listTime = 15 * time.Second
	// reporting is how long a node may take to report what happened to a container whose
	// process is gone.
	reporting = 10 * time.Second
	// watchTime bounds one watch; another follows.
	watchTime = 5 * time.Minute
)

// Follow tells what happens to the pods until ctx ends. While the API server is away it
// waits; what happened meanwhile shows in the next list. Where it may not watch, it lists.
func (s *Set) Follow(ctx context.Context, tell func(record.Change)) {
	for ctx.Err() == nil {
		every := retryEvery
		err := s.relist(ctx)
		if err == nil {
			s.tell(tell)
			err = s.watch(ctx, tell)
		}
		if err != nil && !away(err) {
			every = relistEvery
		}
		pause(ctx, every)
	}
}

// relist replaces what is known of the pods by a new list.
func (s *Set) relist(ctx context.Context) error {
	pods, version, err := s.client.list(ctx, s.target.Selection)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
	here := map[types.UID]bool{}
	for _, p := range pods {
		s.latest[p.UID], here[p.UID] = p, true
	}
	for id := range s.latest {
		s.gone[id] = !here[id]
	}
	return nil
}

// watch keeps what is known of the pods up to date until the watch ends. The error is of
// beginning it.
func (s *Set) watch(ctx context.Context, tell func(record.Change)) error {
	core, err := s.client.Core()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*watchTime) // of a server that never ends it
	defer cancel()
	o := s.target.options()
	seconds := int64(watchTime.Seconds())
	o.Watch, o.TimeoutSeconds = true, &seconds
	s.mu.Lock()
	o.ResourceVersion = s.version
	s.mu.Unlock()
	w, err := core.Get().Namespace(s.target.Namespace).Resource("pods").
		SpecificallyVersionedParams(&o, metav1.ParameterCodec, corev1.SchemeGroupVersion).Watch(ctx)
	if err != nil {
		return err
	}
	defer w.Stop()
	tick := time.NewTicker(telling)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C: // what was noticed becomes ripe
		case e, open := <-w.ResultChan():
			if !open || e.Type == watch.Error {
				return nil
			}
			s.see(e)
		}
		s.tell(tell)
	}
}

// see takes in an event of the watch.
func (s *Set) see(e watch.Event) {
	p, ok := e.Object.(*corev1.Pod)
	if !ok || !s.target.has(p) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest[p.UID], s.gone[p.UID] = *p, e.Type == watch.Deleted
}

// tell tells the changes that are ripe and were not told yet.
func (s *Set) tell(tell func(record.Change)) {
	for _, c := range s.fresh(time.Now()) {
		tell(c)
	}
}

// fresh are the changes that are ripe and were not told yet.
func (s *Set) fresh(now time.Time) (out []record.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append(s.changes(), s.notReady(now)...)
	s.notice(now)
	for _, c := range all {
		at := c.Target + " " + string(c.Kind)
		if aboutSet(c.Kind) && !s.ripe(now) {
			continue
		}
		if !s.told[at] {
			s.told[at] = true
			out = append(out, c)
		}
	}
	return out
}

// notice remembers since when the set differs, and when that last changed. Under s.mu.
func (s *Set) notice(now time.Time) {
	state := s.difference()
	switch {
	case state == "":
		s.noticed, s.moved = time.Time{}, time.Time{}
	case s.state == "":
		s.noticed, s.moved = now, now
	case state != s.state:
		s.moved = now
	}
	s.state = state
}

// ripe reports whether it can be said what became of the set: nothing has moved for a moment,
// and no pod that is still ending may be replaced once it has ended. Under s.mu.
func (s *Set) ripe(now time.Time) bool {
	if s.noticed.IsZero() || now.Sub(s.moved) < telling {
		return false
	}
	return !s.awaited() || now.Sub(s.noticed) >= replacing
}

// Look is a last look at the pods, and returns what was not told yet. Where lost is set, a
// target has stopped answering, and why may take a moment to show. If the API server cannot
// be asked, that is what it returns.
func (s *Set) Look(ctx context.Context, lost bool) []record.Change {
	began := time.Now()
	for {
		err := s.relist(ctx)
		elapsed := time.Since(began)
		switch {
		case err == nil:
			now := time.Now()
			out := s.fresh(now)
			if len(out) > 0 || !s.pending() && (!lost || elapsed >= reporting) {
				return out
			}
		case !away(err) || elapsed >= patience:
			return []record.Change{{Target: s.target.Name, Kind: record.PodsUnknown, Message: err.Error()}}
		}
		if !pause(ctx, retryEvery) {
			return nil
		}
	}
}

// pending reports whether something was noticed that is not ripe yet.
func (s *Set) pending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.noticed.IsZero() && !s.ripe(time.Now())
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
