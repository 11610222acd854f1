package serve

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
)

// TestWhoSetsVariables: a plan sends the server's secret to an address, and whoever could set
// that address would receive it.
func TestWhoSetsVariables(t *testing.T) {
	const secret, address, free = "LEAKGATE_PLAN_STAGING_TOKEN", "LEAKGATE_PLAN_ADMIN", "LEAKGATE_PLAN_BRANCH"
	for _, c := range []struct {
		name      string
		webhook   bool
		listed    []string
		variable  string
		want      int
		says      string // in the answer
		effective string // what the run has for it
	}{
		{name: "POST, an address of the server's", variable: address, want: 403,
			says: "LEAKGATE_PLAN_ADMIN is set by the server"},
		{name: "POST, the secret", variable: secret, want: 403, says: "LEAKGATE_PLAN_STAGING_TOKEN is set by the server"},
		{name: "POST, an address that is listed by mistake", listed: []string{address}, variable: address, want: 403,
			says: "LEAKGATE_PLAN_ADMIN is set by the server"},
		{name: "POST, what the server has not", variable: free, want: 201, effective: "theirs"},
		{name: "POST, listed", listed: []string{free}, variable: free, want: 201, effective: "theirs"},
		{name: "POST, not listed", listed: []string{free}, variable: free + "2", want: 403,
			says: "a request must not set LEAKGATE_PLAN_BRANCH2; --request-variables does not list it"},
		{name: "webhook, an address of the server's", webhook: true, variable: address, want: 403,
			says: "LEAKGATE_PLAN_ADMIN is set by the server"},
		{name: "webhook, an address that is listed by mistake", webhook: true, listed: []string{address},
			variable: address, want: 403, says: "LEAKGATE_PLAN_ADMIN is set by the server"},
		{name: "webhook, what the server has not", webhook: true, variable: free, want: 403,
			says: "a webhook must not set LEAKGATE_PLAN_BRANCH; list it in --request-variables"},
		{name: "webhook, listed", webhook: true, listed: []string{free}, variable: free, want: 200, effective: "theirs"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &plays{}
			cfg := config(t, p, "a")
			cfg.MountedOnly, cfg.RequestVariables = true, c.listed
			cfg.Env = []string{secret + "=hunter2", address + "=http://shop"}
			s := open(t, cfg)
			defer shut(t, s)
			variables := map[string]string{c.variable: "theirs"}
			body, _ := json.Marshal(named{Plan: "a", Variables: variables})
			q := request{method: "POST", path: "/runs", token: testToken, header: asJSON(), body: string(body)}
			if c.webhook {
				q.path, q.body = "/flagger/start?plan=a", canary("shop", "1", variables)
			}
			w := send(s, q)
			synctest.Wait()
			if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%s: %d %s; want %d with %q", c.name, w.Code, w.Body, c.want, c.says)
			}
			if started := p.count() > 0; started != (c.effective != "") {
				t.Fatalf("%s: started %v", c.name, started)
			}
			if c.effective == "" {
				return
			}
			env := lookup(p.started[0].Env)
			if got, _ := env(c.variable); got != c.effective {
				t.Errorf("%s: the run has %q, want %q", c.name, got, c.effective)
			}
		})
	}
}

// TestWith: whatever came into a record, the server's own value is the one that counts.
func TestWith(t *testing.T) {
	env := lookup(with([]string{"A=server"}, map[string]string{"A": "request", "B": "request"}))
	for name, want := range map[string]string{"A": "server", "B": "request"} {
		if got, _ := env(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestCheckRequestVariables(t *testing.T) {
	for _, c := range []struct {
		name string
		want string
	}{
		{"LEAKGATE_PLAN_ADMIN", ""},
		{"PATH", `"PATH" does not begin with LEAKGATE_PLAN_`},
		{"LEAKGATE_PLAN_", `"LEAKGATE_PLAN_" does not begin with LEAKGATE_PLAN_`},
	} {
		got := ""
		if err := CheckRequestVariables([]string{c.name}); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("CheckRequestVariables(%s) = %q, want %q", c.name, got, c.want)
		}
	}
}
