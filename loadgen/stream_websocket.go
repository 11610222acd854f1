package loadgen

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// webSocketKind is WebSockets, closed with a close frame.
var webSocketKind = streamKind{WebSocket, "WebSocket", openWebSocket}

// webSocket is an open WebSocket.
type webSocket struct {
	*ended
	conn *websocket.Conn
	stop context.CancelFunc
}

func openWebSocket(ctx context.Context, cfg StreamsConfig, s Stream, conns *connections) (held, error) {
	client := &http.Client{Transport: transport(cfg, conns), CheckRedirect: noRedirect}
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

// read receives what the server sends, and answers its pings.
func (w *webSocket) read(ctx context.Context) {
	for {
		_, r, err := w.conn.Reader(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			if websocket.CloseStatus(err) == websocket.StatusNormalClosure ||
				websocket.CloseStatus(err) == websocket.StatusGoingAway {
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

// close sends a close frame, and waits a moment for that of the server.
func (w *webSocket) close() {
	patience := time.AfterFunc(farewell, func() { _ = w.conn.CloseNow() })
	defer patience.Stop()
	_ = w.conn.Close(websocket.StatusNormalClosure, "")
	w.stop()
}
