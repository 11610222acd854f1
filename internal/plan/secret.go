package plan

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/leakgate/leakgate/internal/mask"
)

var variable = regexp.MustCompile(`\$?\$\{([^}]*)\}`)

var isName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// judgedBy matches the fields that a verdict depends on. A plan to judge by is
// read without an environment and has to spell them out.
var judgedBy = regexp.MustCompile(`^(policy\.goroutines\.|policy\.(detect|thorough|leaked_before|group_by|heap|resident|threads|ignore_file)$|production\.|(policy\.ignore)?\[\d+\]\.(function|frame|created_by|label|until|max)$|load\.(rounds\.|success$|delivered$)|load\.requests\[\d+\]\.success$|settle\.confirm$)`)

// handedOn matches the fields that the thresholds for production depend on.
var handedOn = regexp.MustCompile(`^(production\.|policy\.(goroutines\.|detect$)|load\.rate$|safety\.goroutines$)`)

// sentBy matches the fields that a load depends on, for a generator that sends a share of it
// and watches no target. What they name is needed; the rest of the plan need not be known.
var sentBy = regexp.MustCompile(`^(load|safety)\.`)

// lenient reports whether a variable or a file of a field need not be there.
func (d *decoder) lenient(path string) bool {
	return d.partial != nil && (d.partial != sentBy || !sentBy.MatchString(path))
}

// expand replaces ${NAME} with the variable's value; $${NAME} is the text itself. A
// variable that is not set is a problem that names it. It reports whether every variable was
// known.
func (d *decoder) expand(n *yaml.Node, path string) (string, bool) {
	if !strings.Contains(n.Value, "${") && (len(n.Value) < minSecret || !secretField(path)) {
		return n.Value, true
	}
	known, secret := true, secretField(path)
	out := variable.ReplaceAllStringFunc(n.Value, func(m string) string {
		if strings.HasPrefix(m, "$$") {
			return m[1:]
		}
		name := m[2 : len(m)-1]
		val, ok := "", false
		if d.env != nil {
			val, ok = d.env(name)
		}
		switch {
		case !ok && d.lenient(path):
			known = false
			return m
		case !ok && !isName.MatchString(name):
			d.problem(n, path, "write ${NAME}, or $${ for the text ${ itself", "%s does not name a variable", quoted(m))
		case !ok:
			d.problem(n, path, "export it, or write $${"+name+"} for the text itself", "environment variable %s is not set",
				name)
		case secret || secretQuery.MatchString(name): // ${HOOK_TOKEN} in an address
			d.secret(val)
		}
		if ok {
			d.variables = append(d.variables, Reference{path, name})
		}
		known = known && ok
		return val
	})
	switch {
	case !known && d.lenient(path) && d.partial.MatchString(path):
		if d.env == nil {
			d.problem(n, path, "write the value out", "%s is not set while judging", quoted(n.Value))
		} else {
			d.problem(n, path, "set the variable, or write the value out", "%s is not set, and the thresholds depend on it",
				quoted(n.Value))
		}
	case !known:
		d.unsound[path] = true
	case secret:
		d.secret(out)
		for _, word := range lastWord(out) {
			d.secret(word)
		}
	}
	return out, known
}

// secretField tells the fields whose values are masked in everything that is
// printed or stored, wherever they come from.
func secretField(path string) bool {
	if _, name, ok := strings.Cut(path, ".header."); ok {
		return secretHeader.MatchString(name)
	}
	_, field, _ := strings.Cut(path, ".auth.")
	return field == "bearer" || field == "basic.password" || strings.HasPrefix(field, "headers.")
}

// secretHeader matches the names of request headers that carry secrets.
var secretHeader = regexp.MustCompile(`(?i)authorization|cookie|token|key|secret|password|-auth`)

// secretPlace matches the fields in which, or under which, a misplaced secret
// is to be expected.
var secretPlace = regexp.MustCompile(`\.(auth|header)(\.|$)`)

// minSecret is the shortest value, in bytes, that is masked: to mask every
// "1" would hide the report instead. So would to mask every "true".
const minSecret = 4

func (d *decoder) secret(s string) {
	word := strings.ToLower(s)
	if len(s) >= minSecret && word != "true" && word != "false" && !slices.Contains(d.secrets, s) {
		d.secrets = append(d.secrets, s)
	}
}

// urlSecrets notes what CleanURL would hide, since an error of the network may
// repeat an address.
func (d *decoder) urlSecrets(u *url.URL) {
	secrets, pairs := secretsOf(u)
	for _, s := range secrets {
		d.secret(s)
	}
	d.pairs = append(d.pairs, pairs...)
}

// secretsOf are the secrets in an address: of its user, its parameters and its path.
func secretsOf(u *url.URL) (secrets []string, pairs []mask.Pair) {
	secrets = pathSecrets(u.Path)
	if password, ok := u.User.Password(); ok {
		secrets = append(secrets, password)
		pairs = append(pairs, mask.Pair{User: u.User.Username(), Secret: password})
	} else {
		secrets = append(secrets, u.User.Username()) // a token alone
	}
	for part := range strings.FieldsFuncSeq(u.RawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		key, value, _ := strings.Cut(part, "=")
		if secretQuery.MatchString(key) || secretQuery.MatchString(unescaped(key)) {
			secrets = append(secrets, value, unescaped(value))
		}
	}
	return secrets, pairs
}

// maxLearned bounds the secrets that are learnt from requests: each is looked for in all
// that is written. Those beyond it are masked in the requests' names alone.
const maxLearned = 50

// Learn has the secrets of a request hidden that stand in no plan, but in a file that it
// names.
func (p *Plan) Learn(address string, header http.Header) {
	if p.Hidden == nil || len(p.Secrets) >= maxLearned {
		return
	}
	var secrets []string
	var pairs []mask.Pair
	if u, err := url.Parse(address); err == nil {
		secrets, pairs = secretsOf(u)
	}
	for name, values := range header {
		if secretHeader.MatchString(name) {
			for _, v := range values {
				secrets = append(append(secrets, v), lastWord(v)...)
			}
		}
	}
	secrets = slices.DeleteFunc(secrets, func(s string) bool {
		return len(s) < minSecret || slices.Contains(p.Secrets, s)
	})
	if len(secrets) > 0 {
		p.Secrets = append(p.Secrets, secrets...)
		p.Hidden.Add(secrets, pairs)
	}
}

// lastWord is the credential behind a scheme, as in Bearer abc.
func lastWord(value string) []string {
	if words := strings.Fields(value); len(words) > 1 {
		return words[len(words)-1:]
	}
	return nil
}

// authPair notes a user name with its password: basic authentication encodes them
// together.
func (d *decoder) authPair(a Auth) {
	if a.Basic != nil {
		d.pairs = append(d.pairs, mask.Pair{User: a.Basic.User, Secret: a.Basic.Password})
	}
}

// isToken matches the part of an address's path that nobody would choose as a name:
// a long run of letters and digits, mixed.
var isToken = regexp.MustCompile(`[A-Za-z0-9_]{16,}`)

// pathSecrets are the parts of an address's path that look like tokens, as webhooks and
// proxies have them.
func pathSecrets(path string) (secrets []string) {
	for segment := range strings.SplitSeq(path, "/") {
		run := isToken.FindString(segment)
		if strings.ContainsAny(run, "0123456789") && strings.IndexFunc(run, unicode.IsLetter) >= 0 {
			secrets = append(secrets, segment)
		}
	}
	return secrets
}

// Mask replaces every secret of the plan in a message.
func (p *Plan) Mask(text string) string { return p.hidden().Text(text) }

// MaskBytes replaces every secret of the plan in a text, in whatever form it stands there.
func (p *Plan) MaskBytes(data []byte) []byte { return p.hidden().Bytes(data) }

func (p *Plan) hidden() *mask.Mask {
	if p.Hidden == nil { // made by hand
		return mask.New(p.Secrets, nil)
	}
	return p.Hidden
}

// secretQuery matches the names of URL parameters that carry secrets.
var secretQuery = regexp.MustCompile(`(?i)token|key|secret|passw|pwd|sig|auth|credential|session`)

// CleanURL writes an address without user, password and secret parameters.
func CleanURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return "(address)"
	}
	if u.User != nil {
		u.User = url.User("***")
	}
	q := u.Query()
	for k := range q {
		if secretQuery.MatchString(k) {
			q.Set(k, "***")
		}
	}
	if u.RawQuery != "" {
		u.RawQuery = strings.ReplaceAll(q.Encode(), "%2A%2A%2A", "***")
	}
	u.Fragment = ""
	return strings.ReplaceAll(u.String(), "%2A%2A%2A@", "***@")
}

// cleanWords cleans the addresses among the words of a text.
func cleanWords(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	words := strings.Fields(text)
	for i, w := range words {
		if strings.Contains(w, "://") {
			words[i] = CleanURL(w)
		}
	}
	return strings.Join(words, " ")
}
