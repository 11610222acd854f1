package verdict

import (
	"fmt"
	"slices"
	"strings"
)

// Attribution says in a sentence which requests leak a finding; empty where no trials were
// made.
func (f Finding) Attribution() string {
	short := f.shortNames()
	var parts []string
	cleared := map[string]bool{}
	for _, b := range f.Requests {
		if b.Answer == LeaksNot {
			for _, r := range b.Requests {
				cleared[r] = true
			}
		}
	}
	var not, maybe []string
	blamed := f.blamedRequests()
	for _, b := range f.Requests {
		if b.Answer == Leaks {
			parts = append(parts, b.sentence(short))
			continue
		}
		for _, r := range b.Requests { // each once, in however many trials it was
			name := short(r)
			switch {
			case slices.Contains(blamed, r) || slices.Contains(not, name) || slices.Contains(maybe, name):
			case cleared[r]:
				not = append(not, name)
			default:
				maybe = append(maybe, name)
			}
		}
	}
	leaks := len(parts) > 0
	if s := f.clearedSentence(not, leaks); s != "" {
		parts = append(parts, s)
	}
	if len(maybe) > 0 && !leaks {
		parts = append(parts, "unclear for "+listed(maybe))
	}
	return strings.Join(parts, "; ")
}

// sentence says how much requests leak.
func (b Blamed) sentence(short func(string) string) string {
	var names []string
	for _, r := range b.Requests {
		names = append(names, short(r))
	}
	rate := perRequest(b.Each) + " goroutines per request"
	if b.High > 0 {
		rate += fmt.Sprintf(" (%s to %s)", perRequest(b.Low), perRequest(b.High))
	}
	switch {
	case b.Any:
		return "every request leaks " + rate
	case b.Together && len(names) == 0:
		return "no request leaks by itself, only together with others"
	case b.Together:
		return listed(names) + " leak together, and not by themselves, " + rate
	}
	return listed(names) + " leaks " + rate
}

// clearedSentence says of which requests it is known that they do not leak.
func (f Finding) clearedSentence(not []string, leaks bool) string {
	switch n := max(f.Cleared, len(not)); {
	case n == 0 || slices.ContainsFunc(f.Requests, func(b Blamed) bool { return b.Together && len(b.Requests) == 0 }):
		return ""
	case len(not) == 1 && n == 1:
		return not[0] + " does not"
	case len(not) == n:
		return listed(not) + " do not"
	case leaks:
		return plural(n, "other request") + " do not"
	default:
		return plural(n, "request") + " do not leak it"
	}
}

// culprit is the request that leaks most, for a headline.
func (f Finding) culprit() string {
	if len(f.Requests) == 0 || f.Requests[0].Answer != Leaks {
		return ""
	}
	b := f.Requests[0]
	if b.Any {
		return "every request leaks " + perRequest(b.Each)
	}
	if len(b.Requests) != 1 {
		return ""
	}
	return fmt.Sprintf("%s leaks %s per request", f.shortNames()(b.Requests[0]), perRequest(b.Each))
}

// shortNames leaves out of the requests' names the host that they share.
func (f Finding) shortNames() func(string) string {
	host, same := "", true
	for _, b := range f.Requests {
		for _, r := range b.Requests {
			h := hostOf(r)
			same = same && h != "" && (host == "" || host == h)
			host = h
		}
	}
	return func(name string) string {
		if !same {
			return name
		}
		short := strings.Replace(name, host, "", 1)
		if strings.HasSuffix(short, " ") {
			short += "/"
		}
		return short
	}
}

// hostOf is the scheme and host in METHOD URL.
func hostOf(name string) string {
	_, url, _ := strings.Cut(name, " ")
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// exactly is the rate, per request, from which two decimals are enough.
const exactly = 0.1

func perRequest(each float64) string {
	if each >= exactly {
		return fmt.Sprintf("%.2f", each)
	}
	return fmt.Sprintf("%.3f", each)
}
