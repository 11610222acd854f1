package loadgen

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// eventsKind is server-sent events, or any answer that goes on.
var eventsKind = streamKind{SSE, "SSE", openEvents}

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
