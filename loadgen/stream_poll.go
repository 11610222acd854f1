package loadgen

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// pollKind is long polls, each repeated as soon as it has been answered.
var pollKind = streamKind{Poll, "long poll", openPoll}

// poll repeats a request until it is closed.
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
			if time.Since(began) < atOnce { // not a long poll; do not flood the service
				rest(life, pause)
			}
		}
		p.end(nil)
	}()
	select { // it is meant to take long
	case <-connected:
		return p, nil
	case <-p.done():
		return nil, cmp.Or(p.err(), errPhaseOver)
	case <-ctx.Done():
		stop()
		return nil, ctx.Err()
	}
}

// atOnce is the time within which an answer shows that the poll did not wait.
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
	if resp.StatusCode < 200 || resp.StatusCode > 299 { // a redirect, such as to a login page, is not an answer either
		return errors.New(resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func (p *poll) close() {
	p.stop()
	<-p.over
}
