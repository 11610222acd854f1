package plan

import (
	"net/url"
	"strings"
)

// maxRequestName is how much of a request's address names it, in bytes: a name is a
// line of every report.
const maxRequestName = 300

// RequestName names a request in reports: by its method, its address, and its query as
// it is written, without the values of parameters that look like secrets. The query is
// not parsed: a semicolon or a stray % in it is the service's to understand.
func (p *Plan) RequestName(method, address string) string {
	address, _, _ = strings.Cut(address, "#") // never sent
	base, query, asked := strings.Cut(address, "?")
	name := cleanUser(base)
	if asked {
		name += "?" + cleanQuery(query)
	}
	name = p.Mask(name)
	if len(name) > maxRequestName {
		name = strings.ToValidUTF8(name[:maxRequestName], "") + "…"
	}
	return method + " " + name
}

// cleanUser takes user and password out of an address without a query.
func cleanUser(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	host, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndex(host, "@"); at >= 0 {
		host = "***" + host[at:]
	}
	if slash {
		host += "/"
	}
	return scheme + "://" + host + path
}

// cleanQuery masks the values of parameters that look like secrets. Some services
// end a parameter at a semicolon and some do not, so that a secret is taken to end
// at the next ampersand.
func cleanQuery(query string) string {
	params := strings.Split(query, "&")
	for i, param := range params {
		parts := strings.Split(param, ";")
		for j, part := range parts {
			key, value, ok := strings.Cut(part, "=")
			switch {
			case ok && (secretQuery.MatchString(unescaped(key)) || secretQuery.MatchString(key)):
				parts = append(parts[:j:j], key+"=***")
			case ok && holdsSecret(unescaped(value)):
				parts = append(parts[:j:j], key+"=***")
			default:
				continue
			}
			break
		}
		params[i] = strings.Join(parts, ";")
	}
	return strings.Join(params, "&")
}

// holdsSecret reports whether a value is an address, or has a query, with a secret.
func holdsSecret(value string) bool {
	if cleanUser(value) != value {
		return true
	}
	for _, part := range strings.FieldsFunc(value, func(c rune) bool { return strings.ContainsRune("?&;#", c) }) {
		if key, v, ok := strings.Cut(part, "="); ok && v != "" && secretQuery.MatchString(key) {
			return true
		}
	}
	return false
}

// unescaped is a text without its %-escapes, or as it is where these are broken.
func unescaped(text string) string {
	if out, err := url.QueryUnescape(text); err == nil {
		return out
	}
	return text
}
