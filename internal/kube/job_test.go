package kube

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

// Of a log that is too long, the end is read: that is where a summary is.
func TestLog(t *testing.T) {
	const most = 20_000
	lines := func(n, length int) string { return strings.Repeat(strings.Repeat("x", length-1)+"\n", n) }
	for _, c := range []struct {
		name, log, want string
	}{
		{"short", lines(10, 10) + "end\n", lines(10, 10) + "end\n"},
		{"of as many bytes as may be", lines(most/10, 10), lines(most/10, 10)},
		{"of a byte more", lines(most/10, 10) + "\n", lines(999, 10) + "\n"},
		{"long", lines(100_000, 10) + "end\n", lines(999, 10) + "end\n"},
		{"of long lines", lines(100, 5000) + "end\n", "end\n"},
		{"of one line too long", "{" + strings.Repeat("x", 2*most), "{" + strings.Repeat("x", most-1)},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text := c.log
			if n, err := strconv.Atoi(r.FormValue("tailLines")); err == nil {
				all := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
				text = strings.Join(all[max(0, len(all)-n):], "") + text[len(strings.TrimSuffix(text, "\n")):]
			}
			limit, _ := strconv.Atoi(r.FormValue("limitBytes"))
			_, _ = io.WriteString(w, text[:min(len(text), limit)])
		}))
		client := &Client{config: &rest.Config{Host: s.URL}}
		got, err := client.Log(t.Context(), "load", "a", "k6", most)
		s.Close()
		if err != nil || string(got) != c.want {
			t.Errorf("%s: Log = %d bytes that end in %q, %v; want %d", c.name, len(got), got[max(0, len(got)-10):], err, len(c.want))
		}
	}
}
