//go:build flagger

package examples

import (
	"net/url"
	"strings"
	"testing"
	"time"

	flagger "github.com/fluxcd/flagger/pkg/apis/flagger/v1beta1"
	"github.com/fluxcd/flagger/pkg/controller"
)

// TestFlaggerLive: Flagger's own client, the example's webhooks and the real server, in the
// order in which its scheduler asks. It takes minutes to build: a tag of its own.
func TestFlaggerLive(t *testing.T) {
	address := live(t)
	healthy, healthyAdmin := shop(t, "")
	leaking, leakingAdmin := shop(t, "send")
	for _, c := range []struct {
		name, service, admin string
		confirm, rollback    bool
	}{
		{"healthy", healthy, healthyAdmin, true, false},
		{"leaking", leaking, leakingAdmin, false, true},
		{"away", "http://127.0.0.1:1", "http://127.0.0.1:1", false, false},
	} {
		canary := flagger.Canary{}
		canary.Name, canary.Namespace = c.name, "staging" // the checksum is of its status, the key of its name too
		call := func(name string) error {
			h := hooks(t)[name]
			u, err := url.Parse(h.URL)
			if err != nil {
				t.Fatal(err)
			}
			u.Host = address
			h.URL = u.String()
			if h.Metadata != nil {
				h.Metadata = &map[string]string{"LEAKGATE_PLAN_SERVICE": c.service, "LEAKGATE_PLAN_ADMIN": c.admin}
			}
			return controller.CallWebhook(canary, flagger.CanaryPhaseProgressing, h)
		}
		if err := call("leakgate-fail"); err == nil {
			t.Errorf("%s: rolled back before there is a run", c.name)
		}
		var confirm, rollback error
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
			if err := call("leakgate-start"); err != nil {
				t.Fatalf("%s: start: %v", c.name, err)
			}
			confirm, rollback = call("leakgate-pass"), call("leakgate-fail")
			if confirm == nil || rollback == nil || strings.Contains(confirm.Error(), "inconclusive") {
				break
			}
		}
		t.Logf("%s: confirm: %v; rollback: %v", c.name, confirm, rollback)
		if (confirm == nil) != c.confirm || (rollback == nil) != c.rollback {
			t.Errorf("%s: confirm %v, rollback %v", c.name, confirm, rollback)
		}
	}
}
