package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	//lint:ignore SA1019 it is what client-go's port-forward takes and returns
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// Tunnel is a port-forward to one pod: what connects through it comes from the pod's own
// loopback. It opens when it is first used, and again after it broke. Nothing listens on this
// machine. Its methods may be called from several goroutines.
type Tunnel struct {
	client    *Client
	namespace string
	pod       string

	mu     sync.Mutex
	conn   httpstream.Connection // nil: not open
	broken int                   // how often an open one broke
	silent bool                  // one was given up since nothing came through it, and nothing has come since
	next   int                   // number of the next connection through it
}

const (
	// patience is how long an API server may be away before what goes through it is given up:
	// longer than one takes to restart.
	patience = 60 * time.Second
	// pingTime is how long a live API server may take to say its version.
	pingTime = 2 * time.Second
	// opening is how long a forward may take to open. An API server waits for the kubelet of a
	// node that hangs for as long as it is asked to, and nobody can use the tunnel meanwhile.
	opening = 10 * time.Second
	// retryEvery is the time between two attempts to reach it.
	retryEvery = 500 * time.Millisecond
	// noticing is how long it may take until a broken connection is known to be broken, after
	// what went through it has ended.
	noticing = 100 * time.Millisecond
)

// NewTunnel makes a tunnel. It sends nothing.
func (c *Client) NewTunnel(namespace, pod string) *Tunnel {
	return &Tunnel{client: c, namespace: namespace, pod: pod}
}

// Dial connects to a port of the pod's loopback. Of the address, only the port counts.
func (t *Tunnel) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	conn, id, err := t.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("port-forward to %s: %w", t.pod, err)
	}
	s, err := connect(conn, port, id, t.heard)
	if err != nil {
		t.drop(conn)
		return nil, fmt.Errorf("port-forward to %s: %w", t.pod, err)
	}
	return s, nil
}

// Broken is how often the tunnel broke so far.
func (t *Tunnel) Broken() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken
}

// Close closes the tunnel. It opens again if it is used.
func (t *Tunnel) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn != nil {
		t.conn.Close()
		t.conn = nil
	}
}

// open is the open connection to the API server, with the number of the next use of it.
func (t *Tunnel) open(ctx context.Context) (httpstream.Connection, int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn != nil && closed(t.conn, 0) {
		t.conn = nil
		t.broken++
	}
	if t.conn == nil {
		conn, err := t.dial(ctx)
		if err != nil {
			return nil, 0, err
		}
		t.conn = conn
	}
	t.next++
	return t.conn, t.next, nil
}

// drop closes a connection that does not work any more.
func (t *Tunnel) drop(conn httpstream.Connection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	conn.Close()
	if t.conn == conn {
		t.conn = nil
		t.broken++
	}
}

// closed reports whether a connection is, or is within a time.
func closed(conn httpstream.Connection, within time.Duration) bool {
	if within == 0 {
		select {
		case <-conn.CloseChan():
			return true
		default:
			return false
		}
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-conn.CloseChan():
		return true
	case <-timer.C:
		return false
	}
}

// dial opens a connection to the API server: over WebSocket, or where the server or a proxy
// in between does not know that, over SPDY.
func (t *Tunnel) dial(ctx context.Context) (httpstream.Connection, error) {
	core, err := t.client.Core()
	if err != nil {
		return nil, err
	}
	u := core.Post().Namespace(t.namespace).Resource("pods").Name(t.pod).SubResource("portforward").URL()
	cfg := t.client.REST()
	overWebSocket, err := portforward.NewSPDYOverWebsocketDialer(u, cfg)
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(cfg)
	if err != nil {
		return nil, err
	}
	overSPDY := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, u)
	dialer := portforward.NewFallbackDialer(overWebSocket, overSPDY, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	type result struct {
		conn httpstream.Connection
		err  error
	}
	done := make(chan result, 1)
	// The context of a request ends with the request; that of a connection, which net/http
	// opens for any request to come, may not end at all.
	ctx, cancel := context.WithTimeout(ctx, opening)
	defer cancel()
	go func() { // the dialers know no context
		conn, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		done <- result{conn, err}
	}()
	select {
	case r := <-done:
		return r.conn, dialError(r.err)
	case <-ctx.Done():
		go func() { // it may open yet
			if r := <-done; r.err == nil {
				r.conn.Close()
			}
		}()
		return nil, fmt.Errorf("it did not open: %w", ctx.Err())
	}
}

// dialError gives an error of the API server's its meaning: a pod that is not there is not
// listening either.
func dialError(err error) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("the pod is gone: %w: %w", err, os.ErrNotExist)
	}
	return err
}

// Restored says what to do about a request that failed through the tunnel with an error: if
// the way to the pod is what failed, it waits until that is open again, and reports true.
// since is what Broken was before the request.
func (t *Tunnel) Restored(ctx context.Context, since int, err error) bool {
	t.mu.Lock()
	conn, broken := t.conn, t.broken
	t.mu.Unlock()
	switch {
	case broken != since:
	case conn != nil && closed(conn, noticing):
		t.drop(conn)
	case conn != nil && timedOut(err) && t.giveUp():
		t.drop(conn) // it may be dead without anybody having said so: a new one will tell
	default:
		if t.answers(ctx) {
			return false
		}
		if conn != nil { // nobody answers: what is half done will not be done
			t.drop(conn)
		}
	}
	return t.await(ctx)
}

func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// giveUp reports whether a connection through which nothing comes is to be given up. If
// nothing came through the one before either, it is the pod that does not answer.
func (t *Tunnel) giveUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.silent
	t.silent = true
	return !before
}

// heard notes that something came through the tunnel.
func (t *Tunnel) heard() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.silent = false
}

// answers reports whether the API server does.
func (t *Tunnel) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	return t.client.ping(ctx) == nil
}

// await waits until the API server answers, for as long as patience lasts.
func (t *Tunnel) await(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !t.answers(ctx) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(retryEvery):
		}
	}
	return ctx.Err() == nil
}
