package loadgen

import (
	"context"
	"io"
	"net/http"
	"time"
)

// Tried is the response to one request, sent by itself.
type Tried struct {
	Code    int // HTTP status; 0 without an answer
	Error   string
	Latency time.Duration
	Bytes   int64
}

// Try sends every entry of the load once, one after another, and abandons none.
func (v *Vegeta) Try(ctx context.Context) []Tried {
	cfg := v.cfg
	cfg.Requests = nil
	for _, r := range v.cfg.Requests {
		r.Abandon = 0
		cfg.Requests = append(cfg.Requests, r)
	}
	c := newClient(cfg)
	defer c.close()
	unhook := context.AfterFunc(ctx, c.stop)
	defer unhook()
	hc := &http.Client{Transport: c, Timeout: cfg.Timeout,
		CheckRedirect: noRedirect}
	out := make([]Tried, len(v.targets))
	for i := range v.targets {
		out[i] = v.try(hc, i)
	}
	return out
}

func (v *Vegeta) try(hc *http.Client, i int) Tried {
	began := time.Now()
	req, err := v.targets[i].Request()
	if err != nil {
		return Tried{Error: err.Error()}
	}
	resp, err := hc.Do(req)
	if err != nil {
		return Tried{Error: errorKind(err.Error())}
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	t := Tried{Code: resp.StatusCode, Latency: time.Since(began), Bytes: n}
	if err != nil {
		t.Code, t.Error = 0, errorKind(err.Error())
	}
	return t
}
