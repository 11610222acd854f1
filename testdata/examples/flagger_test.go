package examples

import (
	"net/url"
	"strings"
	"testing"

	flagger "github.com/fluxcd/flagger/pkg/apis/flagger/v1beta1"
)

// hooks are the example's, by name.
func hooks(t *testing.T) map[string]flagger.CanaryWebhook {
	t.Helper()
	c := objects(t, "../../examples/kubernetes/flagger/canary.yaml")[0].(*flagger.Canary)
	out := map[string]flagger.CanaryWebhook{}
	for _, h := range c.Spec.Analysis.Webhooks {
		h.URL = strings.ReplaceAll(h.URL, "${WEBHOOK_TOKEN}", liveToken)
		out[h.Name] = h
	}
	return out
}

func TestFlaggerHooks(t *testing.T) {
	for _, c := range []struct {
		name string
		kind flagger.HookType
		path string
	}{
		{"leakgate-start", flagger.PreRolloutHook, "/flagger/start"},
		{"leakgate-pass", flagger.ConfirmTrafficIncreaseHook, "/flagger/confirm"},
		{"leakgate-fail", flagger.RollbackHook, "/flagger/rollback"},
	} {
		h := hooks(t)[c.name]
		u, err := url.Parse(h.URL)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if h.Type != c.kind || u.Path != c.path || u.Query().Get("plan") != "shop" {
			t.Errorf("%s is %q at %q", c.name, h.Type, h.URL)
		}
		if password, _ := u.User.Password(); password != liveToken {
			t.Errorf("%s has the token %q", c.name, password)
		}
	}
}
