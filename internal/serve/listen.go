package serve

import (
	"io"
	"log"
	"net/http"
	"time"
)

// Limits of a connection: whoever reaches the address may open some, with no token at all.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second // of a request with its body
	writeTimeout  = 30 * time.Second // of an answer; a long poll has its own beside it
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10 // bytes
)

// NewHTTPServer is an HTTP server with these limits.
func NewHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: log.New(io.Discard, "", 0),
	}
}
