package kubernetes

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// apiFront stands between leakgate and the API server, so that a test can cut the
// connections of one run without disturbing the others. It speaks HTTP/2 and HTTP/1.1 over
// TLS, as the API server does, and passes tokens through.
type apiFront struct {
	server *httptest.Server

	mu       sync.Mutex
	upgraded map[net.Conn]bool // connections of port-forwards
	all      map[net.Conn]bool // but those
	away     bool
	cuts     int
}

// startAPIFront serves a front for the length of a test, and returns it with a kubeconfig
// for it.
func startAPIFront(t *testing.T) (*apiFront, string) {
	t.Helper()
	api, token := apiServer(t)
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(labDir, "state", "pki", "apiserver.crt"))
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("the API server's certificate: %v", err)
	}
	f := &apiFront{upgraded: map[net.Conn]bool{}, all: map[net.Conn]bool{}}
	real := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(api) },
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
		FlushInterval: -1, // watches
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	f.server = httptest.NewUnstartedServer(real)
	f.server.EnableHTTP2 = true
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.server.Config.ConnState = f.note
	f.server.StartTLS()
	t.Cleanup(func() {
		f.cut(true)
		f.server.Close()
	})
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw})
	caFile := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(caFile, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	return f, writeKubeconfig(t, f.server.URL, caFile, token)
}

// apiServer is the address of the API server, and the administrator's token.
func apiServer(t *testing.T) (*url.URL, string) {
	t.Helper()
	n := &namespace{t: t, name: "default"}
	addr := n.kubectl("config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.server}")
	u, err := url.Parse(addr)
	if err != nil {
		t.Fatal(err)
	}
	return u, n.kubectl("config", "view", "--raw", "-o", "jsonpath={.users[0].user.token}")
}

// writeKubeconfig writes a kubeconfig with one context.
func writeKubeconfig(t *testing.T, server, caFile, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: lab
contexts: [{name: lab, context: {cluster: lab, user: lab}}]
clusters: [{name: lab, cluster: {server: "%s", certificate-authority: "%s"}}]
users: [{name: lab, user: {token: "%s"}}]
`, server, caFile, token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// note keeps the connections that there are. While the front is away, it takes none.
func (f *apiFront) note(c net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch state {
	case http.StateNew:
		f.all[c] = true
		if f.away {
			c.Close()
		}
	case http.StateHijacked:
		f.upgraded[c] = true
		delete(f.all, c)
	case http.StateClosed:
		delete(f.all, c)
	}
}

// cut closes the connections of port-forwards, or all.
func (f *apiFront) cut(all bool) {
	f.mu.Lock()
	which := slices.Collect(maps.Keys(f.upgraded))
	if all {
		which = slices.AppendSeq(which, maps.Keys(f.all))
	}
	clear(f.upgraded) // nobody notes the end of a connection that was upgraded
	f.cuts += len(which)
	f.mu.Unlock()
	for _, c := range which {
		c.Close()
	}
}

// leave closes all connections, and every new one until come.
func (f *apiFront) leave() {
	f.mu.Lock()
	f.away = true
	f.mu.Unlock()
	f.cut(true)
}

func (f *apiFront) come() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = false
}

// cutSoFar is how many connections were cut.
func (f *apiFront) cutSoFar() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cuts
}
