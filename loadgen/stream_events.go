package loadgen

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// eventsKind is server-sent events, or any response that does not end.
var eventsKind = streamKind{SSE, "SSE", openEvents}

// events is a response that does not end.
type events struct {
	*ended
	stop context.CancelFunc
	over chan struct{} // the reader has ended
}

func openEvents(ctx context.Context, cfg StreamsConfig, s Stream, conns *connections) (held, error) {
	life, stop := context.WithCancel(context.Background())
	opening := context.AfterFunc(ctx, stop) // only until the headers arrive
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

// close hangs up: there is no other way to end server-sent events.
func (e *events) close() {
	e.stop()
	<-e.over
}
