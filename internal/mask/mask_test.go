package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
)

const secret = `s3cr3t/to ken+"<&>'%ü`

func TestForms(t *testing.T) {
	quoted, err := json.Marshal(fmt.Sprintf("%q", secret))
	if err != nil {
		t.Fatal(err)
	}
	basic := base64.StdEncoding.EncodeToString([]byte("bob:" + secret))
	m := New([]string{secret}, []Pair{{User: "bob", Secret: secret}})
	for name, text := range map[string]string{
		"plain":                    secret,
		"in a query":               url.QueryEscape(secret),
		"in a path":                url.PathEscape(secret),
		"in a path, lower case":    strings.ToLower("%2F") + "x" + lowerHex(url.PathEscape(secret)),
		"quoted by Go":             fmt.Sprintf("%q", secret),
		"quoted by Go, in ASCII":   fmt.Sprintf("%+q", secret),
		"in JSON":                  escapeJSON(secret, true),
		"in JSON, < as it is":      escapeJSON(secret, false),
		"quoted by Go, in JSON":    string(quoted),
		"in HTML":                  html.EscapeString(secret),
		"in XML":                   escapeXML(secret),
		"in JSON, in HTML":         html.EscapeString(escapeJSON(secret, true)),
		"in base64":                base64.StdEncoding.EncodeToString([]byte(secret)),
		"in base64, for addresses": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"with its user":            basic,
		"with another user":        base64.StdEncoding.EncodeToString([]byte("alice:" + secret)),
		"in base64 of JSON":        base64.StdEncoding.EncodeToString([]byte(`{"t": "` + secret + `", "u": 1}`)),
		"in hexadecimal":           fmt.Sprintf("%x", secret),
	} {
		got := m.Text("before " + text + " after")
		if !strings.Contains(got, Shown) || strings.Contains(got, text) || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
			t.Errorf("%s: %q, want the secret masked and nothing else", name, got)
		}
		if again := m.Text(got); again != got {
			t.Errorf("%s: masked twice is %q, want %q", name, again, got)
		}
	}
	const clean = `{"outcome": "pass", "requests": 1000}`
	if got := m.Text(clean); got != clean {
		t.Errorf("Text(%q) = %q, want it as it is", clean, got)
	}
}

// A password that is an ordinary word is taken out of messages, and not out of data, whose
// keys and numbers it may be.
func TestWeakSecrets(t *testing.T) {
	m := New([]string{"pass", "2026", "staging"}, []Pair{{User: "admin", Secret: "pass"}})
	const data = `{"outcome":"pass","started":"2026-11-25","target":"staging-0"}`
	if got := m.Data([]byte(data)); string(got) != data {
		t.Errorf("Data(%s) = %s, want it as it is", data, got)
	}
	if got := m.Text("refused: pass of staging"); got != "refused: *** of ***" {
		t.Errorf("Text = %q, want the words masked", got)
	}
	header := base64.StdEncoding.EncodeToString([]byte("admin:pass"))
	if got := m.Data([]byte("Basic " + header)); string(got) != "Basic ***" {
		t.Errorf("Data(basic credentials) = %s, want them masked", got)
	}
}

// A secret that comes in two pieces is a secret.
func TestWriter(t *testing.T) {
	const token = "tok-4711-abcdef"
	m := New([]string{token}, nil)
	text := "a " + token + " b tok-4711 c " + token
	want := "a *** b tok-4711 c ***"
	for cut := range len(text) {
		var b bytes.Buffer
		w := m.Writer(&b)
		for _, part := range []string{text[:cut], text[cut:]} {
			if n, err := w.Write([]byte(part)); err != nil || n != len(part) {
				t.Fatalf("Write(%q) = %d, %v", part, n, err)
			}
		}
		if err := w.Flush(); err != nil || b.String() != want {
			t.Errorf("cut at %d: %q, %v; want %q", cut, b.String(), err, want)
		}
	}
}

func TestNoMask(t *testing.T) {
	var m *Mask
	var b bytes.Buffer
	w := m.Writer(&b)
	_, _ = w.Write([]byte("as it is"))
	if m.Text("x") != "x" || string(m.Data([]byte("y"))) != "y" || b.String() != "as it is" {
		t.Error("a nil Mask changes something")
	}
}
