package plan

import (
	"strings"
	"testing"
)

func TestRequestName(t *testing.T) {
	p := &Plan{Secrets: []string{"planned"}}
	for _, c := range []struct{ name, address, want string }{
		{"plain", "http://h/a", "http://h/a"},
		// In the order in which it is written: that of the service's log.
		{"query", "http://h/a?z=1&a=2", "http://h/a?z=1&a=2"},
		// What url.ParseQuery refuses or rewrites.
		{"semicolon", "http://h/a?a=1;b=2", "http://h/a?a=1;b=2"},
		{"stray per cent sign", "http://h/a?q=100%&x=1", "http://h/a?q=100%&x=1"},
		{"escapes", "http://h/a?q=%41+b", "http://h/a?q=%41+b"},
		{"no value", "http://h/a?debug", "http://h/a?debug"},
		{"empty query", "http://h/a?", "http://h/a?"},
		{"fragment", "http://h/a?x=1#token", "http://h/a?x=1"},
		{"secret", "http://h/a?token=abc&x=1", "http://h/a?token=***&x=1"},
		{"secret behind a stray per cent sign", "http://h/a?q=%&token=abc", "http://h/a?q=%&token=***"},
		{"secret behind a semicolon", "http://h/a?x=1;api_key=abc", "http://h/a?x=1;api_key=***"},
		// Where a semicolon ends no parameter, what follows is the secret's.
		{"secret with a semicolon", "http://h/a?token=abc;def;x=1&y=2", "http://h/a?token=***&y=2"},
		{"secret with an escaped name", "http://h/a?to%6ben=abc", "http://h/a?to%6ben=***"},
		{"secret in another address", "http://h/a?next=http%3A%2F%2Fi%2F%3Ftoken%3Dabc", "http://h/a?next=***"},
		{"user in another address", "http://h/a?next=http://u:abc@i/", "http://h/a?next=***"},
		{"other address", "http://h/a?next=http%3A%2F%2Fi%2F%3Fx%3D1", "http://h/a?next=http%3A%2F%2Fi%2F%3Fx%3D1"},
		{"user", "http://u:abc@h/a", "http://***@h/a"},
		{"at sign in the path", "http://h/@abc", "http://h/@abc"},
		{"the plan's secret", "http://h/planned?x=planned", "http://h/***?x=***"},
		{"no scheme", "h/a?x=1", "h/a?x=1"},
		{"long", "http://h/" + strings.Repeat("x", 400), "http://h/" + strings.Repeat("x", maxRequestName-len("http://h/")) + "…"},
	} {
		if got := p.RequestName("GET", c.address); got != "GET "+c.want {
			t.Errorf("RequestName(%s) = %q, want %q", c.name, got, "GET "+c.want)
		}
	}
}

func FuzzRequestName(f *testing.F) {
	f.Add("http://u:p@h/a?x=1;token=abc&y=%", "abc")
	f.Add("://@?=;&", "")
	f.Fuzz(func(t *testing.T, address, value string) {
		if strings.ContainsAny(value, "&#") || len(value) < minSecret || strings.Contains("http://h/?token=***", value) {
			return
		}
		p := &Plan{}
		p.RequestName("GET", address)
		if got := p.RequestName("GET", "http://h/?token="+value); got != "GET http://h/?token=***" {
			t.Errorf("RequestName(token=%q) = %q", value, got)
		}
	})
}
