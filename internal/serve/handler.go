package serve

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// retryAfter is what a client is told that came when nothing could be taken: runs take
// minutes.
const retryAfter = 30 * time.Second

// Handler answers everything but, where they have an address of their own, metrics.
func (s *Server) Handler(withMetrics bool) http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("POST /runs", s.postRun)
	api.HandleFunc("GET /runs", s.getRuns)
	api.HandleFunc("GET /runs/{id}", s.getRun)
	api.HandleFunc("DELETE /runs/{id}", s.deleteRun)
	api.HandleFunc("GET /runs/{id}/{report}", s.getReport)
	api.HandleFunc("GET /plans", s.getPlans)

	flagger := http.NewServeMux()
	flagger.HandleFunc("POST /flagger/start", s.flaggerStart)
	flagger.HandleFunc("POST /flagger/confirm", s.flaggerConfirm)
	flagger.HandleFunc("POST /flagger/rollback", s.flaggerRollback)

	all := http.NewServeMux()
	all.Handle("/", s.authorized(api, s.cfg.Token))
	all.Handle("/flagger/", s.authorized(flagger, s.cfg.Token, s.cfg.WebhookToken))
	all.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	all.HandleFunc("GET /readyz", s.ready)
	if withMetrics {
		all.Handle("GET /metrics", s.MetricsHandler())
	}
	// A browser that knows the password must not send it for a page of somebody else's.
	return secured(http.NewCrossOriginProtection().Handler(bounded(all)))
}

// MetricsHandler answers with the server's own metrics.
func (s *Server) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
}

// bounded bounds what a request may send.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// secured sets the headers that every answer has.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// authorized asks for one of some tokens: as a bearer token, or as the password of basic
// authentication, which is what browsers have, and webhooks whose address alone can be
// chosen. Tokens are read for each request, so that a Secret may be replaced.
func (s *Server) authorized(next http.Handler, tokens ...func() ([]byte, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := credential(r)
		allowed := 0
		for _, read := range tokens {
			if read == nil {
				continue
			}
			token, err := read()
			if err != nil {
				s.cfg.Log.Error("the token cannot be read", "error", err)
				writeError(w, http.StatusInternalServerError, "the token cannot be read", "see the server's log")
				return
			}
			allowed |= same(given, token)
		}
		if !ok || allowed == 0 {
			w.Header().Set("WWW-Authenticate", `Basic realm="leakgate"`)
			writeError(w, http.StatusUnauthorized, "missing or wrong token", "send Authorization: Bearer TOKEN")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// credential is the token in a request.
func credential(r *http.Request) ([]byte, bool) {
	if _, password, ok := r.BasicAuth(); ok {
		return []byte(password), true
	}
	const scheme = "Bearer "
	h := r.Header.Get("Authorization")
	if len(h) < len(scheme) || !strings.EqualFold(h[:len(scheme)], scheme) {
		return nil, false
	}
	return []byte(strings.TrimSpace(h[len(scheme):])), true
}

// same compares in a time that tells neither the token nor how long it is. An empty token
// is nobody's.
func same(given, token []byte) int {
	token = bytes.TrimSpace(token)
	if len(token) == 0 {
		return 0
	}
	a, b := sha256.Sum256(given), sha256.Sum256(token)
	return subtle.ConstantTimeCompare(a[:], b[:])
}

// ready reports whether runs would be taken.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-s.stopped:
		writeText(w, http.StatusServiceUnavailable, errStopping.Error())
		return
	default:
	}
	_, err := s.plans.names()
	if err == nil {
		err = s.readable()
	}
	if err == nil {
		_, err = s.cfg.Token()
	}
	if err != nil {
		s.cfg.Log.Error("not ready", "error", err)
		writeText(w, http.StatusServiceUnavailable, "not ready; see the server's log")
		return
	}
	writeText(w, http.StatusOK, "ok")
}

// problem is an error as it is answered.
type problem struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

func writeError(w http.ResponseWriter, code int, text, hint string) {
	if code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	}
	writeJSON(w, code, problem{Error: text, Hint: hint})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // a client that left is no error
}

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n"))
}
