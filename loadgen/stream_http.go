package loadgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// ended is the part of an open connection that knows its end.
type ended struct {
	once sync.Once
	ch   chan struct{}
	why  error
}

func newEnded() *ended { return &ended{ch: make(chan struct{})} }

func (e *ended) done() <-chan struct{} { return e.ch }
func (e *ended) err() error            { return e.why }
func (e *ended) end(why error)         { e.once.Do(func() { e.why = why; close(e.ch) }) }

// farewell is how long the other side gets to agree that a connection is over.
const farewell = time.Second

// transport is the HTTP client of one connection.
func transport(cfg StreamsConfig, conns *connections) *http.Transport {
	tc := cfg.TLS
	if tc != nil {
		tc = tc.Clone()
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: conns.dial, TLSClientConfig: tc,
		TLSHandshakeTimeout: cfg.Timeout, DisableCompression: true, ForceAttemptHTTP2: false,
	}
}

func request(ctx context.Context, cfg StreamsConfig, s Stream) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header = headers(cfg, s)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req, nil
}

func headers(cfg StreamsConfig, s Stream) http.Header {
	h := s.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if cfg.UserAgent != "" && h.Get("User-Agent") == "" {
		h.Set("User-Agent", cfg.UserAgent)
	}
	return h
}

// webSocket is an open WebSocket.
type webSocket struct {
	*ended
	conn *websocket.Conn
	stop context.CancelFunc
}

func openWebSocket(ctx context.Context, cfg StreamsConfig, s Stream, conns *connections) (held, error) {
	client := &http.Client{Transport: transport(cfg, conns), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c, resp, err := websocket.Dial(ctx, s.URL, &websocket.DialOptions{HTTPClient: client, HTTPHeader: headers(cfg, s)})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, fmt.Errorf("%s instead of a WebSocket", resp.Status)
		}
		return nil, err
	}
	c.SetReadLimit(-1)
	w := &webSocket{ended: newEnded(), conn: c}
	var life context.Context
	life, w.stop = context.WithCancel(context.Background())
	go w.read(life)
	if s.Send != "" {
		go w.send(life, s)
	}
	return w, nil
}

// read takes in what the server sends, and answers its pings.
func (w *webSocket) read(ctx context.Context) {
	for {
		_, r, err := w.conn.Reader(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			if websocket.CloseStatus(err) == websocket.StatusNormalClosure || websocket.CloseStatus(err) == websocket.StatusGoingAway {
				err = nil
			}
			w.stop()
			w.end(err)
			return
		}
	}
}

func (w *webSocket) send(ctx context.Context, s Stream) {
	again(ctx, s.Every, func() bool { return w.conn.Write(ctx, websocket.MessageText, []byte(s.Send)) == nil })
}

// again does something once, or every so often until it fails or ctx ends.
func again(ctx context.Context, every time.Duration, do func() bool) {
	if !do() || every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !do() {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// close says that it is over, and waits a moment for the answer.
func (w *webSocket) close() {
	patience := time.AfterFunc(farewell, func() { _ = w.conn.CloseNow() })
	defer patience.Stop()
	_ = w.conn.Close(websocket.StatusNormalClosure, "")
	w.stop()
}

// events is an answer that goes on.
type events struct {
	*ended
	stop context.CancelFunc
	over chan struct{} // the reader has ended
}

func openEvents(ctx context.Context, cfg StreamsConfig, s Stream, conns *connections) (held, error) {
	life, stop := context.WithCancel(context.Background())
	opening := context.AfterFunc(ctx, stop) // only as long as the headers are not there
	req, err := request(life, cfg, s)
	if err != nil {
		stop()
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := transport(cfg, conns).RoundTrip(req)
	if err != nil {
		stop()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	opening()
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		stop()
		return nil, errors.New(resp.Status)
	}
	e := &events{ended: newEnded(), stop: stop, over: make(chan struct{})}
	go func() {
		defer close(e.over)
		_, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		stop()
		e.end(err)
	}()
	return e, nil
}

// close hangs up: a client of server-sent events has no other way to end them.
func (e *events) close() {
	e.stop()
	<-e.over
}

// poll asks again and again.
type poll struct {
	*ended
	stop context.CancelFunc
	over chan struct{}
}

func openPoll(ctx context.Context, cfg StreamsConfig, s Stream, conns *connections) (held, error) {
	life, stop := context.WithCancel(context.Background())
	p := &poll{ended: newEnded(), stop: stop, over: make(chan struct{})}
	connected := make(chan struct{})
	var once sync.Once
	life = httptrace.WithClientTrace(life, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { once.Do(func() { close(connected) }) }})
	client := transport(cfg, conns)
	go func() {
		defer close(p.over)
		defer client.CloseIdleConnections()
		for life.Err() == nil {
			began := time.Now()
			if err := askOnce(life, client, cfg, s); err != nil {
				if life.Err() != nil {
					err = nil
				}
				p.end(err)
				return
			}
			if time.Since(began) < atOnce { // it is no poll that waits: not to flood the service
				rest(life, pause)
			}
		}
		p.end(nil)
	}()
	select { // that the answer takes long is the point
	case <-connected:
		return p, nil
	case <-p.done():
		return nil, cmp.Or(p.err(), errPhaseOver)
	case <-ctx.Done():
		stop()
		return nil, ctx.Err()
	}
}

// atOnce is how fast a poll is answered that did not wait for anything.
const atOnce = 100 * time.Millisecond

func askOnce(ctx context.Context, client *http.Transport, cfg StreamsConfig, s Stream) error {
	req, err := request(ctx, cfg, s)
	if err != nil {
		return err
	}
	resp, err := client.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 { // a redirect, as to a login, is no answer either
		return errors.New(resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func (p *poll) close() {
	p.stop()
	<-p.over
}
