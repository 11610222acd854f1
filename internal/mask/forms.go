package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"html"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// escapers write a text as it stands inside of something else.
var escapers = []func(string) string{
	url.QueryEscape,
	url.PathEscape,
	func(s string) string { return lowerHex(url.QueryEscape(s)) },
	func(s string) string { return lowerHex(url.PathEscape(s)) },
	func(s string) string { return escapeJSON(s, true) },
	func(s string) string { return escapeJSON(s, false) },
	func(s string) string { return inner(strconv.Quote(s)) },
	func(s string) string { return inner(strconv.QuoteToASCII(s)) },
	html.EscapeString,
	template.HTMLEscapeString,
	template.JSEscapeString,
	escapeXML,
	func(s string) string { return strings.ReplaceAll(s, "'", "''") },                         // YAML
	func(s string) string { return strings.ReplaceAll(s, "'", `'\''`) },                       // a shell
	strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace,                         // a workflow command
	strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace, // and its properties
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerHex(s string) string { return percent.ReplaceAllStringFunc(s, strings.ToLower) }

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

func escapeJSON(s string, html bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if e.Encode(s) != nil {
		return s
	}
	return inner(strings.TrimSuffix(b.String(), "\n"))
}

func escapeXML(s string) string {
	var b bytes.Buffer
	if xml.EscapeText(&b, []byte(s)) != nil {
		return s
	}
	return b.String()
}

// formsOf are the forms of a secret: as it is, in up to two layers of quotes, and encoded.
func formsOf(s string) forms {
	out := forms{s}
	for range 2 {
		for _, f := range slices.Clone(out) {
			for _, escape := range escapers {
				if e := escape(f); !slices.Contains(out, e) {
					out = append(out, e)
				}
			}
		}
	}
	return append(out, encoded(s)...)
}

// leastEncoded is the shortest stretch of an encoding, in characters, that is taken for a
// secret's.
const leastEncoded = 8

// encoded are the forms of a secret in base64 and in hexadecimal. In base64, what stands
// around a secret shifts it by one or two bytes: the characters that depend on it alone are
// the same all the same, whatever it was joined with, as a user name or a line of JSON.
func encoded(s string) forms {
	out := forms{hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s)))}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding,
		base64.RawURLEncoding} {
		whole := enc.EncodeToString([]byte(s))
		out = append(out, whole, url.QueryEscape(whole), lowerHex(url.QueryEscape(whole)))
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			bits := 8 * (shift + len(s))
			whole := enc.EncodeToString(append(make([]byte, shift), s...))
			first := (8*shift + 5) / 6
			out = append(out, whole[first:bits/6])
		}
	}
	return slices.DeleteFunc(out, func(f string) bool { return len(f) < leastEncoded })
}
