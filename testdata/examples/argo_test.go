package examples

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/argoproj/argo-rollouts/metricproviders/webmetric"
	rollouts "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	analysisutil "github.com/argoproj/argo-rollouts/utils/analysis"
	"github.com/argoproj/argo-rollouts/utils/defaults"
	log "github.com/sirupsen/logrus"
)

// metric is the example's, with arguments as a Rollout gives them.
func metric(t *testing.T, values map[string]string) rollouts.Metric {
	t.Helper()
	template := objects(t, "../../examples/kubernetes/argo/analysistemplate.yaml")[0].(*rollouts.AnalysisTemplate)
	var args []rollouts.Argument
	for _, a := range template.Spec.Args {
		v, ok := values[a.Name]
		if !ok {
			t.Fatalf("the template wants an argument %q", a.Name)
		}
		args = append(args, rollouts.Argument{Name: a.Name, Value: &v})
	}
	m, err := analysisutil.ResolveMetricArgs(template.Spec.Metrics[0], args)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

// measure takes a measurement with Argo's own provider, from another address.
func measure(t *testing.T, m rollouts.Metric, url string) rollouts.Measurement {
	t.Helper()
	m.Provider.Web.URL = url
	client, err := webmetric.NewWebMetricHttpClient(m)
	if err != nil {
		t.Fatal(err)
	}
	parser, err := webmetric.NewWebMetricJsonParser(m)
	if err != nil {
		t.Fatal(err)
	}
	quiet := log.New()
	quiet.SetOutput(io.Discard)
	return webmetric.NewWebMetricProvider(*log.NewEntry(quiet), client, parser).Run(&rollouts.AnalysisRun{}, m)
}

func arguments() map[string]string {
	return map[string]string{
		"plan": "shop", "revision": "7d4f", "service": "http://s:8080", "admin": "http://s:6060", "token": "hunter2",
	}
}

// TestArgoAnswers: what the rollout does at each answer of the server.
func TestArgoAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   int
		answer string
		want   rollouts.AnalysisPhase
	}{
		{"goes on", 200, `{"answer": "pass"}`, rollouts.AnalysisPhaseSuccessful},
		{"aborts", 200, `{"answer": "fail"}`, rollouts.AnalysisPhaseFailed},
		{"pauses", 200, `{"answer": "inconclusive"}`, rollouts.AnalysisPhaseInconclusive},
		// Asked again, up to consecutiveErrorLimit.
		{"runs, no answer in time", 504, `{"answer": "running"}`, rollouts.AnalysisPhaseError},
		{"full queue", 429, `{"error": "the queue is full"}`, rollouts.AnalysisPhaseError},
		{"the server stops", 503, `{"error": "the server is stopping"}`, rollouts.AnalysisPhaseError},
		// What must never be said with a 200: it would pause the rollout.
		{"running, as an answer", 200, `{"answer": "running"}`, rollouts.AnalysisPhaseInconclusive},
	} {
		var got *http.Request
		var body []byte
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r
			body, _ = io.ReadAll(r.Body)
			w.WriteHeader(c.code)
			fmt.Fprint(w, c.answer)
		}))
		m := measure(t, metric(t, arguments()), s.URL)
		s.Close()
		if m.Phase != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, m.Phase, m.Message, c.want)
		}
		if got.Method != "POST" || got.Header.Get("Authorization") != "Bearer hunter2" ||
			got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: asked by %s with %v", c.name, got.Method, got.Header)
		}
		var sent struct {
			Plan, Key string
			Variables map[string]string
		}
		if err := json.Unmarshal(body, &sent); err != nil || sent.Plan != "shop" || sent.Key != "7d4f" ||
			sent.Variables["LEAKGATE_PLAN_SERVICE"] != "http://s:8080" {
			t.Errorf("%s: sent %s, %v", c.name, body, err)
		}
	}
}

// TestArgoLimits: one measurement decides, and errors are asked about for longer than the
// longest run takes.
func TestArgoLimits(t *testing.T) {
	m := metric(t, arguments())
	if m.Count.IntValue() != 1 || m.FailureLimit.IntValue() != 0 || m.InconclusiveLimit.IntValue() != 0 {
		t.Errorf("count %v, failureLimit %v, inconclusiveLimit %v", m.Count, m.FailureLimit, m.InconclusiveLimit)
	}
	const poll, retry, longest = 50, 10, 3600 // seconds: of wait, of Argo's DefaultErrorRetryInterval, of --run-timeout
	if limit := int(defaults.GetConsecutiveErrorLimitOrDefault(&m)); limit*(poll+retry) <= longest {
		t.Errorf("%d errors are too few", limit)
	}
	if m.Provider.Web.TimeoutSeconds <= poll {
		t.Errorf("timeoutSeconds is %d: Argo gives up before the server answers", m.Provider.Web.TimeoutSeconds)
	}
}
