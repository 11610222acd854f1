package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// fineWork is healthy: work behind the answer that is batched, delayed, queued, and ends.
func fineWork() []service {
	return []service{
		healthy("linger-batches", "a producer with 24 partitions: a batch lingers for 1.2 s or forty messages, brokers' senders are slow and leave after ten idle seconds", lingerBatches),
		healthy("debounced-index", "a debouncer per document for 80 documents: it waits for two seconds of silence or five in all, then indexes", debouncedIndex),
		healthy("reindex", "every 200 requests a reindex of 120 shards, sixteen at a time with errgroup, unless one is running", reindex),
		healthy("slow-drain", "mails wait for four senders that are slower than the load; at 120 waiting the rest is dropped", slowDrain),
		healthy("lease-hub", "every second request leaves a subscriber behind, whose lease the hub ends after five seconds", leaseHub),
		healthy("rebalance-drains", "a consumer group of twelve claims rebalances every 150 requests; the old generation drains for up to four seconds", rebalanceDrains),
	}
}

// Messages in batches.

type lingerBatch struct {
	count int
	full  chan struct{}
}

type topicPartition struct {
	mu    sync.Mutex
	batch *lingerBatch
	out   *broker
}

func (p *topicPartition) add() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.batch == nil {
		p.batch = &lingerBatch{full: make(chan struct{})}
		go p.linger(p.batch)
	}
	if p.batch.count++; p.batch.count == 40 {
		close(p.batch.full)
		p.batch = nil
	}
}

func (p *topicPartition) linger(b *lingerBatch) {
	t := time.NewTimer(1200 * time.Millisecond)
	defer t.Stop()
	select {
	case <-b.full:
	case <-t.C:
		p.mu.Lock()
		if p.batch == b {
			p.batch = nil
		}
		p.mu.Unlock()
	}
	p.out.send(b)
}

type broker struct {
	mu      sync.Mutex
	batches chan *lingerBatch
	senders int
}

func (b *broker) send(batch *lingerBatch) {
	b.mu.Lock()
	if b.senders < 3 {
		b.senders++
		go b.sender()
	}
	b.mu.Unlock()
	b.batches <- batch
}

func (b *broker) sender() {
	for {
		select {
		case <-b.batches:
			time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
		case <-time.After(10 * time.Second):
			b.mu.Lock()
			if len(b.batches) == 0 {
				b.senders--
				b.mu.Unlock()
				return
			}
			b.mu.Unlock()
		}
	}
}

func lingerBatches() http.HandlerFunc {
	var partitions [24]topicPartition
	var brokers [3]broker
	for i := range brokers {
		brokers[i].batches = make(chan *lingerBatch, 48) // more than there can be
	}
	for i := range partitions {
		partitions[i].out = &brokers[i%len(brokers)]
	}
	return numbered(func(int, *http.Request) { partitions[rand.IntN(len(partitions))].add() })
}

// Documents that change often.

type indexer struct {
	mu      sync.Mutex
	pending map[int]chan struct{}
	indexed atomic.Int64
}

func (x *indexer) changed(doc int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	touch := x.pending[doc]
	if touch == nil {
		touch = make(chan struct{}, 1)
		x.pending[doc] = touch
		go x.debounce(doc, touch)
	}
	select {
	case touch <- struct{}{}:
	default:
	}
}

func (x *indexer) debounce(doc int, touch <-chan struct{}) {
	quiet, most := time.NewTimer(2*time.Second), time.NewTimer(5*time.Second)
	defer quiet.Stop()
	defer most.Stop()
	for waiting := true; waiting; {
		select {
		case <-touch:
			quiet.Reset(2 * time.Second)
		case <-quiet.C:
			waiting = false
		case <-most.C:
			waiting = false
		}
	}
	x.mu.Lock()
	delete(x.pending, doc)
	x.mu.Unlock()
	x.index()
}

func (x *indexer) index() {
	time.Sleep(time.Duration(200+rand.IntN(400)) * time.Millisecond)
	x.indexed.Add(1)
}

func debouncedIndex() http.HandlerFunc {
	x := &indexer{pending: map[int]chan struct{}{}}
	return numbered(func(int, *http.Request) { x.changed(rand.IntN(80)) })
}

// A job now and then.

func indexShard() error {
	time.Sleep(time.Duration(200+rand.IntN(500)) * time.Millisecond)
	return nil
}

func reindexAll(running *atomic.Bool) {
	defer running.Store(false)
	g, _ := errgroup.WithContext(context.Background())
	g.SetLimit(16)
	for range 120 {
		g.Go(indexShard)
	}
	_ = g.Wait()
}

func reindex() http.HandlerFunc {
	var running atomic.Bool
	return numbered(func(n int, _ *http.Request) {
		if n%200 == 0 && running.CompareAndSwap(false, true) {
			go reindexAll(&running)
		}
	})
}

// Mails that wait.

type mailer struct {
	senders *semaphore.Weighted
	waiting atomic.Int64
	dropped atomic.Int64
}

func (m *mailer) enqueue() bool {
	if m.waiting.Add(1) > 120 {
		m.waiting.Add(-1)
		m.dropped.Add(1)
		return false
	}
	go m.deliver()
	return true
}

func (m *mailer) deliver() {
	defer m.waiting.Add(-1)
	if m.senders.Acquire(context.Background(), 1) != nil {
		return
	}
	defer m.senders.Release(1)
	time.Sleep(180 * time.Millisecond)
}

func slowDrain() http.HandlerFunc {
	m := &mailer{senders: semaphore.NewWeighted(4)}
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "queued", m.enqueue()) }
}

// Subscribers with leases.

type leasedSubscriber struct {
	news  chan int
	until time.Time
	got   atomic.Int64
}

func (s *leasedSubscriber) run() {
	for range s.news {
		s.got.Add(1)
	}
}

type leasedHub struct {
	mu   sync.Mutex
	subs map[*leasedSubscriber]bool
}

func (h *leasedHub) subscribe() {
	s := &leasedSubscriber{news: make(chan int, 1), until: time.Now().Add(5 * time.Second)}
	h.mu.Lock()
	h.subs[s] = true
	h.mu.Unlock()
	go s.run()
}

func (h *leasedHub) broadcast() {
	n := 0
	for range time.Tick(300 * time.Millisecond) {
		h.mu.Lock()
		for s := range h.subs {
			select {
			case s.news <- n:
			default:
			}
			if n%4 == 0 && time.Now().After(s.until) {
				close(s.news)
				delete(h.subs, s)
			}
		}
		n++
		h.mu.Unlock()
	}
}

func leaseHub() http.HandlerFunc {
	h := &leasedHub{subs: map[*leasedSubscriber]bool{}}
	go h.broadcast()
	return numbered(func(n int, _ *http.Request) {
		if n%2 == 0 {
			h.subscribe()
		}
	})
}

// A consumer group that drains.

type drainingSession struct {
	ctx    context.Context
	cancel context.CancelFunc
	claims sync.WaitGroup
}

func newDrainingSession() *drainingSession {
	s := &drainingSession{}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for range 12 {
		s.claims.Add(1)
		go s.claim()
	}
	go s.beat()
	return s
}

func (s *drainingSession) claim() {
	defer s.claims.Done()
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for s.ctx.Err() == nil {
		select {
		case <-t.C:
		case <-s.ctx.Done():
		}
	}
	time.Sleep(time.Duration(1000+rand.IntN(3000)) * time.Millisecond) // what was fetched is worked off
}

func (s *drainingSession) beat() {
	<-s.ctx.Done()
	s.claims.Wait()
}

func rebalanceDrains() http.HandlerFunc {
	var mu sync.Mutex
	current := newDrainingSession()
	return numbered(func(n int, _ *http.Request) {
		if n%150 == 0 {
			mu.Lock()
			defer mu.Unlock()
			current.cancel()
			current = newDrainingSession()
		}
	})
}
