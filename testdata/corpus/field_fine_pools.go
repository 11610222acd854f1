package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/allegro/bigcache/v3"
	"github.com/dgraph-io/ristretto/v2"
	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap/zapcore"
)

// finePools are healthy: what they keep is bounded.
func finePools() []service {
	return []service{
		healthy("adaptive-pool", "a pool that a scaler sizes four times a second between 4 and 80 workers, by its queue, up fast and down slowly", adaptivePool),
		healthy("lru-refreshers", "a refresher per cache entry for thousands of keys; the LRU keeps 100, and eviction stops the refresher", lruRefreshers),
		healthy("tenant-caches", "a ristretto cache, a bigcache and a zap buffered writer for each of 25 tenants, made on first use and kept", tenantCaches),
		healthy("gc-tiles", "a prefetcher per tile that ends when the garbage collector drops the tile, by AddCleanup; a compactor collects every 15 s", gcTiles),
		healthy("helper-processes", "up to six helper processes started on demand, with a scanner and a reaper each, which end after 15 idle seconds", helperProcesses),
		healthy("device-heartbeats", "150 devices, each with a session that starts short heartbeats and ends 40 s after its last request", deviceHeartbeats),
	}
}

// A pool with a scaler.

type scaledPool struct {
	jobs    chan func()
	retire  chan struct{}
	workers atomic.Int64
	busy    atomic.Int64
}

func (p *scaledPool) worker() {
	defer p.workers.Add(-1)
	for {
		select {
		case job := <-p.jobs:
			p.busy.Add(1)
			job()
			p.busy.Add(-1)
		case <-p.retire:
			return
		}
	}
}

func (p *scaledPool) scale() {
	for range time.Tick(250 * time.Millisecond) {
		have := int(p.workers.Load())
		want := min(max(4, int(p.busy.Load())+len(p.jobs)+2), 80)
		for ; have < want; have++ {
			p.workers.Add(1)
			go p.worker()
		}
		for down := 0; have > want+2 && down < 2; down++ {
			select {
			case p.retire <- struct{}{}:
				have--
			default:
			}
		}
	}
}

func adaptivePool() http.HandlerFunc {
	p := &scaledPool{jobs: make(chan func(), 400), retire: make(chan struct{})}
	go p.scale()
	return numbered(func(n int, _ *http.Request) {
		took := time.Duration(150+rand.IntN(500)) * time.Millisecond
		if n%97 == 0 {
			took *= 5
		}
		select {
		case p.jobs <- func() { time.Sleep(took) }:
		default:
		}
	})
}

// Entries that refresh themselves.

type freshEntry struct {
	stop  chan struct{}
	value atomic.Int64
}

func (e *freshEntry) refresh() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			e.value.Add(1)
		case <-e.stop:
			return
		}
	}
}

func lruRefreshers() http.HandlerFunc {
	entries, err := lru.NewWithEvict(100, func(_ uint64, e *freshEntry) { close(e.stop) })
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	keys := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 5000)
	return numbered(func(int, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		key := keys.Uint64()
		if _, ok := entries.Get(key); !ok {
			e := &freshEntry{stop: make(chan struct{})}
			entries.Add(key, e)
			go e.refresh()
		}
	})
}

// Caches for each tenant.

type tenantTools struct {
	hot  *ristretto.Cache[string, string]
	warm *bigcache.BigCache
	log  *zapcore.BufferedWriteSyncer
}

func newTenantTools() *tenantTools {
	hot, err := ristretto.NewCache(&ristretto.Config[string, string]{NumCounters: 100, MaxCost: 1000, BufferItems: 64})
	if err != nil {
		panic(err)
	}
	warm, err := bigcache.New(context.Background(), bigcache.Config{Shards: 4, LifeWindow: time.Minute, CleanWindow: time.Second, MaxEntriesInWindow: 100, MaxEntrySize: 64, HardMaxCacheSize: 1})
	if err != nil {
		panic(err)
	}
	return &tenantTools{hot, warm, &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(io.Discard), Size: 4096, FlushInterval: time.Second}}
}

func tenantCaches() http.HandlerFunc {
	var mu sync.Mutex
	tenants := map[int]*tenantTools{}
	return numbered(func(n int, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id := rand.IntN(25)
		t := tenants[id]
		if t == nil {
			t = newTenantTools()
			tenants[id] = t
		}
		key := fmt.Sprint(n % 50)
		t.hot.Set(key, "v", 1)
		_ = t.warm.Set(key, []byte("v"))
		_, _ = t.log.Write([]byte("request\n"))
	})
}

// Tiles that the garbage collector ends.

type tile struct {
	pixels []byte
	stop   chan struct{}
}

func newTile() *tile {
	t := &tile{pixels: make([]byte, 128<<10), stop: make(chan struct{})}
	go prefetchAround(t.stop)
	runtime.AddCleanup(t, func(stop chan struct{}) { close(stop) }, t.stop)
	return t
}

func prefetchAround(stop <-chan struct{}) { <-stop }

func gcTiles() http.HandlerFunc {
	var tiles sync.Map // of weak pointers, by number
	go func() {
		for range time.Tick(15 * time.Second) {
			runtime.GC()
			tiles.Range(func(k, v any) bool {
				if v.(weak.Pointer[tile]).Value() == nil {
					tiles.Delete(k)
				}
				return true
			})
		}
	}()
	return numbered(func(n int, _ *http.Request) {
		k := n / 3 // a tile is asked for three times
		if v, ok := tiles.Load(k); ok {
			if t := v.(weak.Pointer[tile]).Value(); t != nil {
				t.pixels[0]++
				return
			}
		}
		t := newTile()
		tiles.Store(k, weak.Make(t))
		t.pixels[0]++
	})
}

// Processes that help, and are kept for a while.

type converter struct {
	in    io.WriteCloser
	lines chan string
}

type converters struct {
	idle  chan *converter
	slots chan struct{}
}

func (p *converters) start() (*converter, error) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &converter{in, make(chan string, 1)}
	scanned := make(chan struct{})
	go c.scan(out, scanned)
	go p.reap(cmd, scanned)
	return c, nil
}

func (c *converter) scan(out io.Reader, scanned chan<- struct{}) {
	defer close(scanned)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		c.lines <- lines.Text()
	}
}

func (p *converters) reap(cmd *exec.Cmd, scanned <-chan struct{}) {
	<-scanned
	_ = cmd.Wait()
	<-p.slots
}

// convert uses an idle process, or a new one if there may be one more, and lets
// those go that nobody needed for a while.
func (p *converters) convert(n int) {
	var c *converter
	select {
	case c = <-p.idle:
	default:
		select {
		case c = <-p.idle:
		case p.slots <- struct{}{}:
			var err error
			if c, err = p.start(); err != nil {
				<-p.slots
				return
			}
		}
	}
	fmt.Fprintln(c.in, "convert", n)
	<-c.lines
	time.Sleep(time.Duration(100+rand.IntN(350)) * time.Millisecond)
	select {
	case p.idle <- c:
	case <-time.After(15 * time.Second):
		c.in.Close()
	}
}

func helperProcesses() http.HandlerFunc {
	p := &converters{idle: make(chan *converter), slots: make(chan struct{}, 6)}
	var queued atomic.Int64
	return numbered(func(n int, _ *http.Request) {
		if n%3 != 0 || queued.Load() >= 40 {
			return
		}
		queued.Add(1)
		go func() {
			defer queued.Add(-1)
			p.convert(n)
		}()
	})
}

// Devices that are heard from.

type device struct {
	id    int
	seen  atomic.Int64
	beats atomic.Int64
}

func (d *device) session(forget func(int) bool) {
	t := time.NewTicker(time.Duration(900+rand.IntN(300)) * time.Millisecond)
	defer t.Stop()
	for range t.C {
		if time.Since(time.Unix(0, d.seen.Load())) > 40*time.Second && forget(d.id) {
			return
		}
		go d.beat()
	}
}

func (d *device) beat() {
	time.Sleep(time.Duration(10+rand.IntN(200)) * time.Millisecond)
	d.beats.Add(1)
}

func deviceHeartbeats() http.HandlerFunc {
	var mu sync.Mutex
	devices := map[int]*device{}
	forget := func(id int) bool {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(time.Unix(0, devices[id].seen.Load())) <= 40*time.Second {
			return false // it came back just now
		}
		delete(devices, id)
		return true
	}
	return numbered(func(n int, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id := n * 7 % 150
		d := devices[id]
		fresh := d == nil
		if fresh {
			d = &device{id: id}
			devices[id] = d
		}
		d.seen.Store(time.Now().UnixNano())
		if fresh {
			go d.session(forget)
		}
	})
}
