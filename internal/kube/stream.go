package kube

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	//lint:ignore SA1019 it is what client-go's port-forward takes and returns
	"k8s.io/apimachinery/pkg/util/httpstream"
)

// stream is one connection through a tunnel.
type stream struct {
	data, errs httpstream.Stream
	conn       httpstream.Connection
	heard      func()        // is told that something came
	failed     chan struct{} // closed when the far end has said what is wrong, or that nothing is
	message    string        // before failed is closed
	closing    sync.Once
}

// connect asks for a connection to a port. That it is refused shows only when it is read.
func connect(conn httpstream.Connection, port string, id int, heard func()) (net.Conn, error) {
	h := http.Header{}
	h.Set(corev1.StreamType, corev1.StreamTypeError)
	h.Set(corev1.PortHeader, port)
	h.Set(corev1.PortForwardRequestIDHeader, strconv.Itoa(id))
	errs, err := conn.CreateStream(h)
	if err != nil {
		return nil, err
	}
	errs.Close() // it is only read
	h.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := conn.CreateStream(h)
	if err != nil {
		conn.RemoveStreams(errs)
		return nil, err
	}
	s := &stream{data: data, errs: errs, conn: conn, heard: heard, failed: make(chan struct{})}
	go func() {
		defer close(s.failed)
		message, err := io.ReadAll(io.LimitReader(errs, maxMessage))
		if s.message = strings.TrimSpace(string(message)); err != nil && s.message == "" {
			s.message = err.Error()
		}
	}()
	return s, nil
}

// maxMessage bounds what a far end's error may say, in bytes.
const maxMessage = 4 << 10

// Read returns what the pod sent. Where that ends, it says why, if the far end did.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.data.Read(p)
	if n > 0 {
		s.heard()
	}
	if n > 0 || err == nil {
		return n, err
	}
	select {
	case <-s.failed:
	case <-time.After(noticing):
	}
	select {
	case <-s.failed:
		if s.message != "" {
			return 0, farError(s.message)
		}
	default:
	}
	return 0, err
}

// farError is what a kubelet said, with its meaning.
func farError(message string) error {
	if strings.Contains(message, "connection refused") {
		return fmt.Errorf("%w: the pod does not listen on this port of its loopback", syscall.ECONNREFUSED)
	}
	return errors.New("port-forward: " + message)
}

func (s *stream) Write(p []byte) (int, error) { return s.data.Write(p) }

// Close ends the connection, also where it was not read to its end.
func (s *stream) Close() error {
	s.closing.Do(func() {
		s.data.Close()
		s.data.Reset()
		s.errs.Reset()
		s.conn.RemoveStreams(s.data, s.errs)
	})
	return nil
}

// The addresses are the pod's loopback, as the pod sees it.
func (s *stream) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (s *stream) RemoteAddr() net.Addr { return s.LocalAddr() }

// A stream has no deadlines: what uses it closes it when its time is up.
func (s *stream) SetDeadline(time.Time) error      { return nil }
func (s *stream) SetReadDeadline(time.Time) error  { return nil }
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

var _ net.Conn = (*stream)(nil)
