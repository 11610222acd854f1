// Package mask takes secrets out of what leaves the process: the terminal, the run
// directory, reports, the files of a CI system. It knows the forms that a secret takes
// on its way there, quoted, escaped or encoded.
package mask

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
)

// Shown replaces a secret.
const Shown = "***"

// Mask knows the secrets of one plan. A nil Mask knows none. Its methods may be called
// from several goroutines.
type Mask struct {
	mu    sync.Mutex // held to add
	known atomic.Pointer[known]
}

// known are the forms of all secrets.
type known struct {
	all    forms // for messages
	strong forms // for data, in which a short or plain word may mean something else
}

// Pair is a user with its secret, as basic authentication encodes them together.
type Pair struct{ User, Secret string }

// New makes a mask of secrets, and of those that a user name goes with.
func New(secrets []string, pairs []Pair) *Mask {
	m := &Mask{}
	m.known.Store(&known{})
	m.Add(secrets, pairs)
	return m
}

// Add makes the mask hide further secrets from now on.
func (m *Mask) Add(secrets []string, pairs []Pair) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := *m.known.Load()
	var strong, weak forms
	for _, s := range secrets {
		switch {
		case s == "":
		case isStrong(s):
			strong = append(strong, formsOf(s)...)
		default:
			weak = append(weak, formsOf(s)...)
		}
	}
	for _, p := range pairs { // together they are long enough
		strong = append(strong, encoded(p.User+":"+p.Secret)...)
	}
	k.strong = slices.Concat(k.strong, strong).sorted()
	k.all = slices.Concat(k.all, strong, weak).sorted()
	m.known.Store(&k)
}

const (
	// strongMixed and strongPlain are the lengths, in bytes, from which a secret is told
	// from any other word: of several kinds of characters, and of one kind. "staging" and
	// "2026" may be passwords, and are words of a report as well.
	strongMixed = 6
	strongPlain = 12
)

// isStrong reports whether a secret is nothing but a secret wherever it appears.
func isStrong(s string) bool {
	kinds := map[int]bool{}
	for _, r := range s {
		switch {
		case unicode.IsLower(r):
			kinds[0] = true
		case unicode.IsUpper(r):
			kinds[1] = true
		case unicode.IsDigit(r):
			kinds[2] = true
		default:
			kinds[3] = true
		}
	}
	return len(kinds) > 1 && len(s) >= strongMixed || len(s) >= strongPlain
}

// Text masks a message, in which every secret is taken out, however short.
func (m *Mask) Text(s string) string {
	if m == nil {
		return s
	}
	return string(m.known.Load().all.replace([]byte(s)))
}

// Bytes masks a text as Text does.
func (m *Mask) Bytes(b []byte) []byte {
	if m == nil {
		return b
	}
	return m.known.Load().all.replace(b)
}

// Data masks what a program reads back, and whatever is written as a whole. Words that
// might as well be the format's own are left as they are: they were taken out of the
// messages before. Without a secret in it, b itself is returned.
func (m *Mask) Data(b []byte) []byte {
	if m == nil {
		return b
	}
	return m.known.Load().strong.replace(b)
}

// forms are texts that are taken out, the longest first: one may be a part of another.
type forms []string

func (f forms) sorted() forms {
	slices.SortFunc(f, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	return slices.Compact(f)
}

func (f forms) replace(b []byte) []byte {
	for _, s := range f {
		if bytes.Contains(b, []byte(s)) {
			b = bytes.ReplaceAll(b, []byte(s), []byte(Shown))
		}
	}
	return b
}

// begun is how many bytes at the end of b may be the beginning of a form.
func (f forms) begun(b []byte) int {
	most := 0
	for _, s := range f {
		for n := min(len(s)-1, len(b)); n > most; n-- {
			if strings.HasPrefix(s, string(b[len(b)-n:])) {
				most = n
			}
		}
	}
	return most
}
