package serve

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// canary is what Flagger sends.
func canary(name, checksum string, metadata map[string]string) string {
	p := payload{Name: name, Namespace: "shop", Phase: "Progressing", Checksum: checksum, Metadata: metadata}
	text, _ := json.Marshal(p)
	return string(text)
}

// TestFlagger: go on at a pass alone, roll back at a fail alone, and neither at anything
// else.
func TestFlagger(t *testing.T) {
	for _, c := range []struct {
		plan              string
		confirm, rollback int
	}{
		{"pass", 200, flaggerNo},
		{"fail", flaggerNo, 200},
		{"unclear", flaggerNo, flaggerNo},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &plays{}
			s := open(t, config(t, p, c.plan))
			defer shut(t, s)
			hook := func(kind string) *httptest.ResponseRecorder {
				path := "/flagger/" + kind + "?plan=" + c.plan
				return send(s, request{method: "POST", path: path, token: testToken, body: canary("shop", "1", nil)})
			}
			if w := hook("rollback"); w.Code != flaggerNo || p.count() != 0 {
				t.Errorf("%s, rollback before the start: %d, %d runs", c.plan, w.Code, p.count())
			}
			for range 2 { // once a minute, says the canary, and again after a failed check
				if w := hook("start"); w.Code != 200 {
					t.Errorf("%s, start: %d %s", c.plan, w.Code, w.Body)
				}
			}
			for _, kind := range []string{"confirm", "rollback"} {
				if w := hook(kind); w.Code != flaggerNo || !strings.Contains(w.Body.String(), "running") {
					t.Errorf("%s, %s while it runs: %d %s", c.plan, kind, w.Code, w.Body)
				}
			}
			time.Sleep(playTime)
			synctest.Wait()
			if w := hook("confirm"); w.Code != c.confirm {
				t.Errorf("%s, confirm: %d %s; want %d", c.plan, w.Code, w.Body, c.confirm)
			}
			if w := hook("rollback"); w.Code != c.rollback {
				t.Errorf("%s, rollback: %d %s; want %d", c.plan, w.Code, w.Body, c.rollback)
			}
			if n := p.count(); n != 1 {
				t.Errorf("%s: %d runs, want 1", c.plan, n)
			}
		})
	}
}

func TestFlaggerOrders(t *testing.T) {
	for _, c := range []struct {
		name, path, body string
		want             int
		plan             string
	}{
		{"plan by the address", "/flagger/start?plan=a", canary("shop", "1", nil), 200, "a.yaml"},
		{"by the metadata", "/flagger/start", canary("shop", "1", map[string]string{"plan": "a"}), 200, "a.yaml"},
		{"by the canary", "/flagger/start", canary("b", "1", nil), 200, "b.yaml"},
		{"by nothing", "/flagger/start", canary("shop", "1", nil), 404, ""},
		{"confirm starts too", "/flagger/confirm?plan=a", canary("shop", "1", nil), flaggerNo, "a.yaml"},
		{"no checksum", "/flagger/start?plan=a", canary("shop", "", nil), 400, ""},
		{"no JSON", "/flagger/start?plan=a", "{", 400, ""},
		{"a field of a later version", "/flagger/start?plan=a",
			`{"name": "n", "namespace": "s", "checksum": "1", "buildId": "2"}`, 200, "a.yaml"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &plays{}
			s := open(t, config(t, p, "a", "b"))
			defer shut(t, s)
			w := send(s, request{method: "POST", path: c.path, token: testToken, body: c.body})
			synctest.Wait()
			started := ""
			if p.count() > 0 {
				started = p.started[0].Plan[strings.LastIndex(p.started[0].Plan, "/")+1:]
			}
			if w.Code != c.want || started != c.plan {
				t.Errorf("%s: %d %s, started %q; want %d, %q", c.name, w.Code, w.Body, started, c.want, c.plan)
			}
		})
	}
}

func TestFlaggerRevisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plays{}
		cfg := config(t, p, "a")
		cfg.RequestVariables = []string{"LEAKGATE_PLAN_URL"}
		s := open(t, cfg)
		defer shut(t, s)
		meta := map[string]string{"LEAKGATE_PLAN_URL": "http://shop-canary", "PATH": "/tmp", "owner": "me"}
		for _, checksum := range []string{"1", "2", "1"} {
			body := canary("shop", checksum, meta)
			send(s, request{method: "POST", path: "/flagger/start?plan=a", token: testToken, body: body})
			time.Sleep(playTime)
			synctest.Wait()
		}
		if n := p.count(); n != 2 {
			t.Errorf("%d runs of two revisions", n)
		}
		env := lookup(p.started[0].Env)
		if got, _ := env("LEAKGATE_PLAN_URL"); got != "http://shop-canary" {
			t.Errorf("LEAKGATE_PLAN_URL = %q", got)
		}
		if _, ok := env("PATH"); ok {
			t.Error("metadata set PATH")
		}
	})
}
