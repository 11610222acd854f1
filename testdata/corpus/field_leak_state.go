package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// leaksOfState are leaks in what a service keeps in memory: locks, sessions, registries.
func leaksOfState() []service {
	return []service{
		leak("poisoned-lock", "one of eight shelves panics with its lock held and is recovered; what reserves on that shelf later waits for the lock", "main.(*shelf).reserve", poisonedLock),
		leak("durable-cond", "a commit log wakes one waiter per sync with Signal where Broadcast was meant: old waiters leave, more new ones stay", "main.(*commitLog).awaitDurable", durableCond),
		leak("session-actors", "an actor per cookie-less visitor with an idle time of 30 minutes and a cap of 50,000", "main.(*actor).loop", sessionActors),
		leak("config-reload", "every 50 requests a reload starts a watcher for each known tenant again; tenants grow to 120, so the leak accelerates", "main.(*tenant).watch", configReload),
		leak("rebalance", "a consumer group rebalances every 20 requests; the old generation's claims, heartbeat and committer stay, in three different stacks", "main.(*consumerSession).", rebalanceLeak),
		leak("price-watchers", "one request in ten starts a watcher that nobody stops, which wanders among timer, lock, rate limiter and sleep", "main.(*priceWatcher).", priceWatchers),
		leak("leader-terms", "under traffic a new leader term starts about every 400 ms, whatever the rate; the renewer of the last term is never told", "main.(*lease).renew", leaderTerms),
		leak("evict-afterfunc", "cache entries expire two seconds later by time.AfterFunc; the eviction listener died, so evictions block", "main.(*entryCache).evict", evictAfterFunc),
	}
}

// A shop's shelves, each with a lock.

type shelf struct {
	mu    sync.Mutex
	stock int
}

func (s *shelf) reserve() {
	s.mu.Lock()
	s.stock--
	if s.stock < 0 {
		panic("negative stock")
	}
	s.mu.Unlock()
}

func recovered(f func()) {
	defer func() { _ = recover() }()
	f()
}

var shelves [8]shelf

func poisonedLock() http.HandlerFunc {
	for i := range shelves {
		shelves[i].stock = 1 << 40
	}
	shelves[5].stock = 2
	return numbered(func(n int, _ *http.Request) {
		go recovered(shelves[n%len(shelves)].reserve)
	})
}

// A log that is synced in groups.

type commitLog struct {
	mu            sync.Mutex
	synced        *sync.Cond
	tail, durable int
}

func (l *commitLog) append() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail++
	return l.tail
}

func (l *commitLog) awaitDurable(at int, ack func()) {
	l.mu.Lock()
	for l.durable < at {
		l.synced.Wait()
	}
	l.mu.Unlock()
	ack()
}

func (l *commitLog) syncer() {
	for range time.Tick(100 * time.Millisecond) {
		l.mu.Lock()
		if l.durable < l.tail {
			l.durable = l.tail
			l.synced.Signal()
		}
		l.mu.Unlock()
	}
}

func durableCond() http.HandlerFunc {
	l := &commitLog{}
	l.synced = sync.NewCond(&l.mu)
	go l.syncer()
	var acked atomic.Int64
	return numbered(func(int, *http.Request) {
		at := l.append()
		go l.awaitDurable(at, func() { acked.Add(1) })
	})
}

// Sessions that are actors.

type actor struct {
	id    uint64
	inbox chan func(*actor)
	seen  int
}

func (a *actor) loop(forget func(uint64)) {
	idle := time.NewTimer(30 * time.Minute)
	defer idle.Stop()
	for {
		select {
		case f := <-a.inbox:
			f(a)
			idle.Reset(30 * time.Minute)
		case <-idle.C:
			forget(a.id)
			return
		}
	}
}

type actorSystem struct {
	mu     sync.Mutex
	actors map[uint64]*actor
}

func (s *actorSystem) get(id uint64) *actor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.actors[id]; a != nil {
		return a
	}
	if len(s.actors) >= 50_000 {
		return nil
	}
	a := &actor{id: id, inbox: make(chan func(*actor), 4)}
	s.actors[id] = a
	go a.loop(s.forget)
	return a
}

func (s *actorSystem) forget(id uint64) {
	s.mu.Lock()
	delete(s.actors, id)
	s.mu.Unlock()
}

func sessionActors() http.HandlerFunc {
	s := &actorSystem{actors: map[uint64]*actor{}}
	return func(w http.ResponseWriter, r *http.Request) {
		var id uint64
		if c, err := r.Cookie("sid"); err == nil {
			_, _ = fmt.Sscanf(c.Value, "%x", &id)
		}
		if id == 0 {
			id = rand.Uint64() | 1
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: fmt.Sprintf("%x", id)})
		}
		a := s.get(id)
		if a == nil {
			http.Error(w, "too many sessions", http.StatusServiceUnavailable)
			return
		}
		seen := make(chan int, 1)
		a.inbox <- func(a *actor) { a.seen++; seen <- a.seen }
		fmt.Fprintln(w, "visit", <-seen)
	}
}

// Tenants whose configuration is watched.

type tenant struct {
	name    int
	changes chan string
	current atomic.Value
}

func (t *tenant) watch() {
	for c := range t.changes {
		t.current.Store(c)
	}
}

type registry struct {
	mu      sync.Mutex
	tenants []*tenant
}

func (g *registry) reload() {
	for i, old := range g.tenants {
		t := &tenant{name: old.name, changes: make(chan string)} // and old.changes is not closed
		g.tenants[i] = t
		go t.watch()
	}
}

func configReload() http.HandlerFunc {
	g := &registry{}
	return numbered(func(n int, _ *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if n%20 == 1 && len(g.tenants) < 120 {
			t := &tenant{name: n, changes: make(chan string)}
			g.tenants = append(g.tenants, t)
			go t.watch()
		}
		if n%50 == 0 {
			g.reload()
		}
	})
}

// A consumer group.

type consumerSession struct {
	generation int
	errors     chan error
	claims     sync.WaitGroup
	dead       chan struct{}
	lagging    atomic.Int64
}

func newConsumerSession(generation int) *consumerSession {
	s := &consumerSession{generation: generation, errors: make(chan error), dead: make(chan struct{})}
	for p := range 4 {
		s.claims.Add(1)
		go s.consumeClaim(p)
	}
	go s.heartbeatLoop()
	go s.commitLoop()
	return s
}

func (s *consumerSession) consumeClaim(partition int) {
	defer s.claims.Done()
	time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // the last fetch
	s.errors <- fmt.Errorf("partition %d of generation %d: rebalance in progress", partition, s.generation)
}

func (s *consumerSession) heartbeatLoop() {
	t := time.NewTicker(3 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.lagging.Add(1)
		case <-s.dead:
			return
		}
	}
}

func (s *consumerSession) commitLoop() {
	s.claims.Wait()
	close(s.dead)
}

func rebalanceLeak() http.HandlerFunc {
	var current atomic.Pointer[consumerSession]
	current.Store(newConsumerSession(0))
	return numbered(func(n int, _ *http.Request) {
		if n%20 == 0 {
			current.Store(newConsumerSession(n / 20))
		}
	})
}

// Watchers that are hardly ever twice in the same place.

type priceBoard struct {
	mu     sync.Mutex
	prices map[int]float64
	quota  chan struct{}
}

type priceWatcher struct {
	board *priceBoard
	item  int
	quit  chan struct{}
}

func (w *priceWatcher) run() {
	for w.pause() {
		w.throttle()
		w.publish(w.quote())
	}
}

func (w *priceWatcher) pause() bool {
	t := time.NewTimer(time.Duration(300+rand.IntN(1200)) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-w.quit:
		return false
	}
}

func (w *priceWatcher) throttle() { <-w.board.quota }

func (w *priceWatcher) quote() float64 {
	time.Sleep(time.Duration(100+rand.IntN(500)) * time.Millisecond)
	return rand.Float64()
}

func (w *priceWatcher) publish(price float64) {
	w.board.mu.Lock()
	defer w.board.mu.Unlock()
	w.board.prices[w.item] = price
	time.Sleep(2 * time.Millisecond)
}

func priceWatchers() http.HandlerFunc {
	b := &priceBoard{prices: map[int]float64{}, quota: make(chan struct{})}
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			select {
			case b.quota <- struct{}{}:
			default:
			}
		}
	}()
	return numbered(func(n int, _ *http.Request) {
		if n%10 == 0 {
			go (&priceWatcher{board: b, item: n, quit: make(chan struct{})}).run()
		}
	})
}

// Leadership with terms.

type lease struct {
	term    int
	since   time.Time
	lost    chan struct{}
	renewed atomic.Int64
}

func (l *lease) renew() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-l.lost:
			return
		case <-t.C:
			l.renewed.Add(1)
		}
	}
}

type elector struct {
	mu      sync.Mutex
	current *lease
}

func (e *elector) lead() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil || time.Since(e.current.since) > 400*time.Millisecond {
		next := &lease{since: time.Now(), lost: make(chan struct{})}
		if e.current != nil {
			next.term = e.current.term + 1 // and nobody closes e.current.lost
		}
		e.current = next
		go next.renew()
	}
	return e.current.term
}

func leaderTerms() http.HandlerFunc {
	e := &elector{}
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "term", e.lead()) }
}

// A cache whose entries expire.

type entryCache struct {
	mu      sync.Mutex
	entries map[int]string
	evicted chan int
}

func (c *entryCache) put(key int, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[key] = value
	time.AfterFunc(2*time.Second, func() { c.evict(key) })
}

func (c *entryCache) evict(key int) {
	c.mu.Lock()
	delete(c.entries, key)
	c.mu.Unlock()
	c.evicted <- key
}

// replicate tells the other replicas, and gives up at its first error.
func (c *entryCache) replicate(send func(int) error) {
	for key := range c.evicted {
		if send(key) != nil {
			return
		}
	}
}

func evictAfterFunc() http.HandlerFunc {
	c := &entryCache{entries: map[int]string{}, evicted: make(chan int, 4)}
	sent := 0
	go c.replicate(func(int) error {
		if sent++; sent > 3 {
			return context.DeadlineExceeded
		}
		return nil
	})
	return numbered(func(n int, _ *http.Request) {
		if n%4 == 0 { // the others are hits
			c.put(n, "v")
		}
	})
}
