package plan

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	const secret = "s3cr3t/va lue&<more>'\"\\"
	tests := []struct {
		name, text string
		env        string // what ${SECRET} holds; secret if empty
		hidden     string // what must not be seen; env if empty
	}{
		{name: "bearer", text: "targets: [{pprof: http://h/debug/pprof, auth: {bearer: \"${SECRET}\"}}]\n" + oneLoad},
		{name: "basic password", text: "targets: [{pprof: http://h/debug/pprof, auth: {basic: {user: u, password: \"${SECRET}\"}}}]\n" + oneLoad},
		{name: "header of a target", text: "targets: [{pprof: http://h/debug/pprof, auth: {headers: {X-Anything: \"${SECRET}\"}}}]\n" + oneLoad},
		// The scheme before it may be cut off, or not.
		{name: "header with a scheme", text: "targets: [{pprof: http://h/debug/pprof, auth: {headers: {Authorization: \"Bearer ${SECRET}\"}}}]\n" + oneLoad},
		{name: "Authorization", text: oneTarget + "load: {requests: [{url: http://h/, header: {Authorization: \"Bearer ${SECRET}\"}}]}\n"},
		{name: "lower case", text: oneTarget + "load: {requests: [{url: http://h/, header: {authorization: \"${SECRET}\"}}]}\n"},
		{name: "Proxy-Authorization", text: oneTarget + "load: {requests: [{url: http://h/, header: {Proxy-Authorization: \"${SECRET}\"}}]}\n"},
		{name: "Cookie", text: oneTarget + "load: {requests: [{url: http://h/, header: {Cookie: \"a=1; id=${SECRET}; b=2\"}}]}\n"},
		{name: "X-Api-Key", text: oneTarget + "load: {requests: [{url: http://h/, header: {X-Api-Key: \"${SECRET}\"}}]}\n"},
		{name: "X-Auth", text: oneTarget + "load: {requests: [{url: http://h/, header: {X-Auth: \"${SECRET}\"}}]}\n"},
		// Written into the plan after all, and quoted as YAML wants it.
		{name: "in the plan", text: "targets: [{pprof: http://h/debug/pprof, auth: {bearer: 's3cr3t''s'}}]\n" + oneLoad, hidden: "s3cr3t"},
		{name: "in the plan, escaped", text: "targets: [{pprof: http://h/debug/pprof, auth: {bearer: \"s3cr3t\\\"s\"}}]\n" + oneLoad, hidden: "s3cr3t"},
		{name: "scheme in the plan", text: oneTarget + "load: {requests: [{url: http://h/, header: {Authorization: Bearer s3cr3t-abc}}]}\n", hidden: "s3cr3t-abc"},
		// In an address.
		{name: "password of an address", text: oneTarget + "load: {requests: [GET http://u:s3cr3t@h/]}\n", hidden: "s3cr3t"},
		{name: "escaped password", text: "targets: [{pprof: http://u:s3cr3t%2Fs@h/debug/pprof}]\n" + oneLoad, hidden: "s3cr3t"},
		{name: "user alone", text: "targets: [{pprof: https://s3cr3t-token@h/debug/pprof}]\n" + oneLoad, hidden: "s3cr3t"},
		{name: "parameter", text: oneTarget + "load: {requests: [{url: \"http://h/?a=1&access_token=s3cr3t\"}]}\n", hidden: "s3cr3t"},
		{name: "parameter from the environment", text: oneTarget + "load: {requests: [\"GET http://h/?api_key=${SECRET}\"]}\n", env: "k3y-value"},
	}
	for _, tt := range tests {
		env, hidden := tt.env, tt.hidden
		if env == "" {
			env = secret
		}
		if hidden == "" {
			hidden = env
		}
		p, err := Parse("plan.yaml", []byte(tt.text), func(string) (string, bool) { return env, true })
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		quoted, _ := json.Marshal(hidden)
		// Everywhere that the value may turn up: an error of the network, an
		// address, a JSON document, the plan itself.
		for where, text := range map[string]string{
			"a message": "authentication with " + hidden + " failed", "an address": "http://h/?x=" + url.QueryEscape(hidden) + "&y=1",
			"a path": "http://h/" + url.PathEscape(hidden), "JSON": `{"error":` + string(quoted) + `}`, "the plan": tt.text,
		} {
			if tt.hidden != "" && where != "the plan" {
				continue // a part of the secret
			}
			got := p.Mask(text)
			for _, form := range []string{hidden, url.QueryEscape(hidden), url.PathEscape(hidden), string(quoted[1 : len(quoted)-1])} {
				if strings.Contains(got, form) {
					t.Errorf("%s: Mask leaves %q in %s: %s", tt.name, form, where, got)
				}
			}
			if where != "the plan" && !strings.Contains(got, "***") {
				t.Errorf("%s: Mask of %s = %q, want *** in it", tt.name, where, got)
			}
		}
	}
}

// What is no secret stays readable.
func TestMaskLeavesTheRest(t *testing.T) {
	text := `targets: [{name: shop, pprof: http://user:s3cr3t@h/debug/pprof, auth: {headers: {X-Short: "123", X-Debug: "true", X-Tenant: acme}}}]
load: {requests: [{url: "http://h/?page=2", header: {Content-Type: application/json, X-Trace: abcdef}, body: hello}]}
`
	p, err := Parse("plan.yaml", []byte(text), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	const said = "shop: 123 requests with application/json, page 2, abcdef, hello, true, user"
	if got := p.Mask(said); got != said {
		t.Errorf("Mask(%q) = %q, want it unchanged", said, got)
	}
	if got, want := p.Mask("acme, s3cr3t"), "***, ***"; got != want {
		t.Errorf("Mask = %q, want %q", got, want)
	}
}

// One secret may be the beginning of another: the rest of the longer must not
// be left standing.
func TestMaskOverlap(t *testing.T) {
	p := &Plan{Secrets: []string{"abcd", "abcdefgh", "xxabcdyy"}}
	if got, want := p.Mask("abcdefgh abcd xxabcdyy"), "*** *** ***"; got != want {
		t.Errorf("Mask = %q, want %q", got, want)
	}
	if got := p.Secrets[0]; got != "abcd" {
		t.Errorf("Mask reordered the plan's secrets: %q is first", got)
	}
	data := []byte("abcd")
	if p.MaskBytes(data); string(data) != "abcd" {
		t.Errorf("MaskBytes changed its argument to %q", data)
	}
}

// Problems quote the input; not where a secret may stand.
func TestProblemsHideSecrets(t *testing.T) {
	for _, text := range []string{
		"targets: [{pprof: http://h/, auth: Bearer s3cr3t}]\n" + oneLoad,
		"targets: [{pprof: http://h/, auth: {basic: 'user:s3cr3t'}}]\n" + oneLoad,
		"targets: [{pprof: http://h/, auth: {headers: 'X-Key: s3cr3t'}}]\n" + oneLoad,
		"targets: [{pprof: http://h/, auth: {headers: ['X-Key: s3cr3t']}}]\n" + oneLoad,
		oneTarget + "load: {requests: [{url: http://h/, header: 'Authorization: s3cr3t'}]}\n",
		oneTarget + "load: {requests: [GET http://u:s3cr3t@h/ x]}\n",
		oneTarget + "load: {requests: http://u:s3cr3t@h/}\n",
		oneTarget + "load: http://u:s3cr3t@h/\n",
		oneTarget + "load: {requests: [GET ftp://u:s3cr3t@h/]}\n",
		oneTarget + "load: {requests: [GET u:s3cr3t@h/]}\n",
		"targets: [{pprof: 'http://u:s3/cr3t@h/'}]\n" + oneLoad,
		"targets: [{pprof: 'http://u:s3%cr3t@h/'}]\n" + oneLoad,
		"targets: [{pprof: 'http://u:s3 cr3t@h/'}]\n" + oneLoad,
		"targets: [{pprof: 'http://u:s3cr3t@'}]\n" + oneLoad,
		"targets: ['http://u:s3cr3t@h/']\n" + oneLoad,
		"targets: [{pprof: h/?token=s3cr3t}]\n" + oneLoad,
		"targets: [{pprof: \"${SECRET}\", timeout: \"${SECRET}\", insecure: \"${SECRET}\"}]\n" + oneLoad,
		oneTarget + "load: {rate: \"${SECRET}\", requests: [\"${SECRET}\"]}\npolicy: {detect: \"${SECRET}\", ignore: [{function: a, reason: b, until: \"${SECRET}\"}]}\n",
	} {
		_, err := Parse("plan.yaml", []byte(text), func(string) (string, bool) { return "u:s3cr3t@h", true })
		if err == nil {
			t.Errorf("Parse(%q) found no problem", text)
			continue
		}
		for _, part := range []string{"cr3t", ":s3", "%cr"} { // a slash or a percent sign cuts it in two
			if strings.Contains(err.Error(), part) {
				t.Errorf("Parse(%q) = %v, want no %q in it", text, err, part)
			}
		}
	}
}

func TestCleanURL(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"http://h:80/a/b?page=2", "http://h:80/a/b?page=2"},
		{"http://h/", "http://h/"},
		{"http://u:pass@h/x", "http://***@h/x"},
		{"https://ghp_token@h/x", "https://***@h/x"},
		{"http://u:p%40ss@h/x", "http://***@h/x"},
		{"http://h/?token=abc", "http://h/?token=***"},
		{"http://h/?Access_Token=abc&a=1", "http://h/?Access_Token=***&a=1"},
		{"http://h/?a=1&api-key=abc", "http://h/?a=1&api-key=***"},
		// Given twice, both are secret.
		{"http://h/?key=abc&key=def", "http://h/?key=***"},
		{"http://h/?client_secret=a&password=b&X-Amz-Signature=c&X-Amz-Credential=d&auth=e", "http://h/?X-Amz-Credential=***&X-Amz-Signature=***&auth=***&client_secret=***&password=***"},
		// The name may be escaped.
		{"http://h/?%74oken=abc", "http://h/?token=***"},
		// What Go does not take for a parameter is dropped rather than shown.
		{"http://h/?a=1;token=abc", "http://h/"},
		{"http://h/?token=%zz", "http://h/"},
		{"http://h/#token=abc", "http://h/"},
		{"http://u:p/ass@h/", "(address)"},
		{"http:u:pass@h", "(address)"},
		{"://", "(address)"},
		{"", ""},
	} {
		if got := CleanURL(tt.in); got != tt.want {
			t.Errorf("CleanURL(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
