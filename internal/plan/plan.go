// Package plan reads the YAML plan: strict decoding with positions, defaults,
// and validation that reports every problem at once. It starts nothing and
// asks no target.
package plan

import (
	"time"

	"github.com/leakgate/leakgate/internal/mask"
	"github.com/leakgate/leakgate/verdict"
)

// Plan is a decoded plan. The tags are the one source of the key names, the
// defaults, the JSON Schema and docs/plan.md.
type Plan struct {
	Version int      `yaml:"version" default:"1" doc:"Format of the plan; 1 is the only one."`
	Name    string   `yaml:"name" doc:"Name of the plan, used in every report. The file's name without its ending if absent."`
	Targets []Target `yaml:"targets" required:"true" doc:"Every process to watch, one entry per replica."`

	Prometheus Prometheus `yaml:"prometheus" doc:"A server with Prometheus' HTTP API, for targets with a selector and for queries."`

	Load   Load   `yaml:"load" required:"true" doc:"The load to send."`
	Settle Settle `yaml:"settle" doc:"How long to wait for the targets to come to rest after each round."`
	Policy Policy `yaml:"policy" doc:"What fails the gate."`

	Production Production `yaml:"production" doc:"Where the service will run, to project when a leak would use up its memory there."`

	Attribute bool `yaml:"attribute" default:"true" doc:"After a fail of a plan with several requests, load some of them alone, for at most a minute, to find out which one leaks."`

	Safety Safety `yaml:"safety" doc:"What stops the load at once, since staging is shared."`
	Report Report `yaml:"report" doc:"Where the reports go."`

	File    string   `yaml:"-"` // path as given
	Text    []byte   `yaml:"-"` // as read
	Secrets []string `yaml:"-"` // values that came from the environment or a file, to be masked

	Hidden *mask.Mask `yaml:"-"` // of Secrets, and of those that a user name goes with

	Variables []Reference `yaml:"-"` // environment variables that it refers to, which were set
	Files     []Reference `yaml:"-"` // files that it names

	Moved map[string]string `yaml:"-"` // where some of Files are, by their name in the plan
}

// Reference is something outside of the plan that a field of it refers to.
type Reference struct {
	Field string // its path, such as load.ca
	Name  string // as the plan has it
}

// Target is a process to watch.
type Target struct {
	Name       string    `yaml:"name" doc:"Name in reports; host:port by default."`
	Pprof      string    `yaml:"pprof" doc:"Address of net/http/pprof, up to and including /debug/pprof. A target needs this, a selector or kubernetes."`
	Metrics    Page      `yaml:"metrics" doc:"Address of Prometheus metrics: cheap counts, start time, memory. Of a Kubernetes target their path, such as /metrics."`
	Selector   string    `yaml:"selector" doc:"PromQL selector, such as {job=\"checkout\"}, for every instance that the Prometheus server finds by it. Without pprof, only the number of goroutines is judged, per instance; with pprof, the selector replaces metrics."`
	Kubernetes *Workload `yaml:"kubernetes" doc:"Instead of an address: pods of a cluster, such as deployment/checkout. Every pod that is ready is a target; all of them are judged one by one and together."`
	Namespace  string    `yaml:"namespace" doc:"Namespace of the pods; that of the context by default."`
	Context    string    `yaml:"context" doc:"Context of the kubeconfig; by default the current one, or in a pod its service account."`
	Port       string    `yaml:"port" doc:"Name or number of the pods' port for pprof; by default the one named pprof, debug or http-debug, then 6060."`
	Path       string    `yaml:"path" default:"/debug/pprof" doc:"Path of net/http/pprof in the pods."`
	Scheme     string    `yaml:"scheme" default:"http" enum:"http,https" doc:"Scheme of the pods' port."`
	Container  string    `yaml:"container" doc:"Container of the pods that is watched; by default the one that has the port."`
	Auth       Auth      `yaml:"auth" doc:"Credentials for both."`
	CA         string    `yaml:"ca" local:"file" doc:"PEM file with the certificates to trust."`
	Skip       bool      `yaml:"insecure" doc:"Do not verify the target's certificate."`
	Timeout    Duration  `yaml:"timeout" default:"10s" doc:"Timeout of one request for a profile or for metrics."`
	Identity   string    `yaml:"identity" default:"known" enum:"known,unknown" doc:"unknown: pass even if nothing shows that the same process answered throughout. A restart during the run goes unnoticed if the target has neither metrics, nor a heap profile, nor dumps."`
}

// Prometheus is the server that is asked about targets.
type Prometheus struct {
	URL     string   `yaml:"url" doc:"Address of the server, up to /api/v1."`
	Auth    Auth     `yaml:"auth" doc:"Credentials for the server."`
	Tenant  string   `yaml:"tenant" doc:"Tenant, sent as X-Scope-OrgID."`
	CA      string   `yaml:"ca" local:"file" doc:"PEM file with the certificates to trust."`
	Skip    bool     `yaml:"insecure" doc:"Do not verify the server's certificate."`
	Timeout Duration `yaml:"timeout" default:"10s" doc:"Timeout of one query."`
}

// Auth is how leakgate shows who it is. Secrets belong in the environment.
type Auth struct {
	Bearer  string            `yaml:"bearer" doc:"Bearer token, such as \"${TOKEN}\"."`
	Basic   *Basic            `yaml:"basic" doc:"User and password."`
	Headers map[string]string `yaml:"headers" doc:"Additional request headers."`
	Cert    string            `yaml:"cert" local:"file" doc:"PEM file with the client certificate."`
	Key     string            `yaml:"key" local:"file" doc:"PEM file with the client certificate's key."`
}

// Basic is HTTP basic authentication.
type Basic struct {
	User     string `yaml:"user" required:"true" doc:"User name."`
	Password string `yaml:"password" doc:"Password, such as \"${PASSWORD}\"."`
}

// Load is the load to send, in rounds that are all alike.
type Load struct {
	Rate        Rate      `yaml:"rate" default:"100/s" doc:"Requests per unit of time (200/s, 1200/m), or max: as fast as the connections allow."`
	Connections int       `yaml:"connections" doc:"Maximum number of requests in flight, and of connections. By default as many as the rate needs, up to 256; 64 for rate max."`
	Timeout     Duration  `yaml:"timeout" default:"5s" doc:"Timeout of one request."`
	Warmup      Duration  `yaml:"warmup" default:"10s" doc:"Load before the baseline, ramped up over its first half, so that pools, caches and connections exist before anything is compared."`
	Round       Duration  `yaml:"round" default:"20s" doc:"Duration of the load in each round."`
	Rounds      Rounds    `yaml:"rounds" doc:"Number of rounds."`
	Success     Share     `yaml:"success" default:"0.99" doc:"Minimum share of requests that succeed (status 200 to 399)."`
	Delivered   Share     `yaml:"delivered" default:"0.9" doc:"Minimum share of the requested rate that is sent."`
	Insecure    bool      `yaml:"insecure" doc:"Do not verify the service's certificate."`
	HTTP2       bool      `yaml:"http2" default:"true" doc:"Use HTTP/2 where TLS negotiates it."`
	H2C         bool      `yaml:"h2c" doc:"Use HTTP/2 without TLS."`
	CA          string    `yaml:"ca" local:"file" doc:"PEM file with the certificates to trust."`
	Cert        string    `yaml:"cert" local:"file" doc:"PEM file with the client certificate."`
	Key         string    `yaml:"key" local:"file" doc:"PEM file with the client certificate's key."`
	UnixSocket  string    `yaml:"unix_socket" local:"file" doc:"Socket to connect to instead of the hosts in the URLs."`
	Abandon     Share     `yaml:"abandon" doc:"Share of the requests, such as 5%, whose client hangs up at a random moment before the response."`
	Requests    []Request `yaml:"requests" doc:"The requests, as METHOD URL or as a mapping."`
	Streams     []Stream  `yaml:"streams" doc:"Connections that are opened, held and closed, in addition to requests or instead of them."`
	Exec        *Exec     `yaml:"exec" doc:"Instead of requests: a command that sends the load of a round, such as ghz, k6, wrk or a script."`
	None        *None     `yaml:"none" doc:"Instead of requests: something else sends the load, and leakgate only watches."`
	Kubernetes  *Pods     `yaml:"kubernetes" local:"pods" doc:"Have pods of a cluster send requests, file and streams, each its share of them, with one Job per round."`
	Job         *Job      `yaml:"job" local:"file" doc:"Instead of requests: the manifest of a Kubernetes Job that sends the load of a round, with any image and command. As a text: its file."`
	TestRun     *TestRun  `yaml:"testrun" local:"file" doc:"Instead of requests: the manifest of a TestRun of the k6 operator, which is created for each round. As a text: its file."`
	File        string    `yaml:"file" local:"file" doc:"Instead of requests: a file in vegeta's http or json target format."`
	Format      string    `yaml:"format" enum:"http,json" doc:"Format of the file; by its extension by default."`
}

// Rounds bounds the number of rounds.
type Rounds struct {
	Min int `yaml:"min" default:"2" doc:"Minimum number of rounds, at least 2: only growth that repeats is a leak."`
	Max int `yaml:"max" default:"6" doc:"Maximum number of rounds. Rounds beyond min are run only while the evidence is not clear."`
}

// Request is one entry of the load.
type Request struct {
	Method   string            `yaml:"method" default:"GET" doc:"HTTP method."`
	URL      string            `yaml:"url" required:"true" doc:"Absolute URL."`
	Header   map[string]string `yaml:"header" doc:"Request headers."`
	Body     string            `yaml:"body" doc:"Request body."`
	BodyFile string            `yaml:"body_file" local:"file" doc:"File with the request body."`
	Weight   int               `yaml:"weight" default:"1" doc:"How often the request is sent, relative to the others."`
	Success  *Share            `yaml:"success" doc:"Minimum share of this request that succeeds; 0 if it is meant to fail."`
	Abandon  *Share            `yaml:"abandon" doc:"Share of this request whose client hangs up early."`
}

// Stream is connections of one kind that last. The kind is the one field with a tag
// "schemes" that is set; the tag lists the schemes that its address may have.
type Stream struct {
	WebSocket   string            `yaml:"websocket" schemes:"ws wss http https" doc:"Address of a WebSocket, ws:// or wss://."`
	SSE         string            `yaml:"sse" schemes:"http https" sends:"false" doc:"Address of server-sent events, or of any response that does not end."`
	Poll        string            `yaml:"poll" schemes:"http https" sends:"false" doc:"Address of a long poll, which is repeated as soon as it has answered."`
	GRPC        string            `yaml:"grpc" schemes:"http https" doc:"Address of a gRPC server, http://host:port or https://host:port."`
	Method      string            `yaml:"method" doc:"Full name of the gRPC method, such as /chat.Chat/Join."`
	Connections int               `yaml:"connections" default:"100" doc:"Number of connections held at once."`
	Hold        Duration          `yaml:"hold" doc:"How long each connection is held before it is closed and replaced; until the end of the round by default."`
	Cut         Share             `yaml:"cut" doc:"Share of the connections that are cut off, as if the client had vanished, instead of closed properly."`
	Header      map[string]string `yaml:"header" doc:"Request headers, or gRPC metadata."`
	Send        string            `yaml:"send" doc:"Message to send once the connection is open; for gRPC as JSON, which needs server reflection unless the message is empty."`
	Every       Duration          `yaml:"every" doc:"Interval at which the message is repeated; it is sent once by default."`
}

// Exec is a command that sends load.
type Exec struct {
	Command []string `yaml:"command" required:"true" local:"command" doc:"Program and arguments. LEAKGATE_RATE (requests per second), LEAKGATE_SECONDS and LEAKGATE_DURATION (such as 20s) hold what the round asks for, LEAKGATE_ROUND its number (0: warm-up), LEAKGATE_SUMMARY the file to which it may write a summary."`
	Summary string   `yaml:"summary" default:"auto" enum:"auto,k6,ghz,vegeta,wrk,none" doc:"Format of the summary that the command prints or writes: k6 (JSON), ghz (JSON), vegeta (JSON) or wrk; auto detects it. none: there is no summary, and the run may pass although nobody counts what was sent."`
}

// None is load that comes from elsewhere.
type None struct {
	Requests    string `yaml:"requests" doc:"PromQL query that counts the requests answered so far, such as sum(http_requests_total)."`
	Connections string `yaml:"connections" doc:"PromQL query for the number of open connections, such as sum(ws_connections): goroutines per connection have to stay level."`
}

// Settle is how long to wait for rest.
type Settle struct {
	Timeout Duration `yaml:"timeout" default:"60s" doc:"Maximum time to wait after a round until the count stops falling."`
	Quiet   Duration `yaml:"quiet" default:"2s" doc:"How long the count has to stay level."`
	Confirm Duration `yaml:"confirm" default:"150s" doc:"How long suspects have to stay before the gate fails on growth alone: watched without load, or since the first round where growth shows that nothing of it has gone. Longer than the idle timeouts of common proxies (two minutes)."`
}

// Policy is what fails the gate.
type Policy struct {
	Goroutines Goroutines `yaml:"goroutines" doc:"How close to its baseline the total has to return."`
	Detect     OneIn      `yaml:"detect" doc:"The smallest leak, in goroutines per request, such as 1/1000, that the run must be able to see. A run that is too weak is inconclusive."`
	Before     string     `yaml:"leaked_before" default:"warn" enum:"warn,fail" doc:"What to do about goroutines that were already leaked before the load, as the runtime proves: warn or fail."`
	Thorough   bool       `yaml:"thorough" doc:"Continue until every stack of every target is decided, instead of stopping at the first confirmed leak."`
	GroupBy    string     `yaml:"group_by" doc:"Name of a goroutine label (pprof.SetGoroutineLabels), such as tenant: every finding shows how its growth is distributed over the label's values."`
	Heap       string     `yaml:"heap" default:"warn" enum:"warn,fail,ignore" doc:"What to do about a heap that grows in every round while goroutines do not, as with slices and caches: warn, fail or ignore. fail needs at least four rounds, and the long look."`
	Resident   string     `yaml:"resident" default:"warn" enum:"warn,fail,ignore" doc:"The same for resident memory that grows while neither heap nor goroutines do: mapped files, C memory, thread stacks."`
	Threads    string     `yaml:"threads" default:"warn" enum:"warn,fail,ignore" doc:"The same for operating-system threads: goroutines in system calls or cgo that do not return."`
	Ignore     []Ignore   `yaml:"ignore" doc:"Stacks that may grow."`
	IgnoreFile string     `yaml:"ignore_file" local:"file" doc:"File with more rules, a list as under ignore; leakgate judge --accept writes one."`
}

// Goroutines is the tolerance of the total.
type Goroutines struct {
	Tolerance int     `yaml:"tolerance" default:"10" doc:"In goroutines."`
	Percent   float64 `yaml:"percent" default:"2" doc:"In percent of the baseline. The larger of the two counts."`
}

// Ignore is a stack that may grow. What it names has to match, all of it.
type Ignore struct {
	Function  string `yaml:"function" doc:"Regular expression for the function that reports blame. A rule needs this, frame, created_by or label; all that it has must match."`
	Frame     string `yaml:"frame" doc:"Regular expression for any function of the stack."`
	CreatedBy string `yaml:"created_by" doc:"Regular expression for the function whose go statement started the goroutines. It comes from a dump, which is taken only of targets with fewer than 5,000 goroutines."`
	Label     string `yaml:"label" doc:"Regular expression for a goroutine label, written name=value, that all of the growth carries."`
	Reason    string `yaml:"reason" required:"true" doc:"Why the stack may grow."`
	Owner     string `yaml:"owner" doc:"Who is responsible for it."`
	Until     Date   `yaml:"until" doc:"Last day (YYYY-MM-DD) on which the rule applies; after that, it is a warning and ignores nothing."`
	Max       int    `yaml:"max" doc:"Maximum number of goroutines that the rule covers; 0: any number."`
}

// Production is where the service will run.
type Production struct {
	Rate     Rate `yaml:"rate" doc:"Requests per unit of time, over all replicas."`
	Memory   Size `yaml:"memory" doc:"Memory limit of one replica, such as 4Gi or 512Mi. Of Kubernetes targets by default that of the pods."`
	Replicas int  `yaml:"replicas" doc:"Number of replicas that share the rate; of Kubernetes targets by default as many as there are pods, otherwise 1."`

	Budget Duration `yaml:"budget" default:"1h" doc:"How long in 30 days the service may run while a leak is suspected, for leakgate rules."`
}

// Safety stops the load at once.
type Safety struct {
	Goroutines int   `yaml:"goroutines" default:"100000" doc:"Maximum number of goroutines on any target."`
	Errors     Share `yaml:"errors" default:"0.9" doc:"Maximum share of failed requests, once a hundred were sent. Only load.requests count, and of those not the ones with success: 0."`
	Memory     Size  `yaml:"memory" default:"512Mi" doc:"Memory that leakgate itself may use for the answers of all targets together. An answer that would exceed it is refused, and the run is inconclusive."`
}

// Report is where the reports go.
type Report struct {
	Dir string `yaml:"dir" default:"leakgate-out" doc:"The run directory, relative to the directory in which leakgate is started."`
}

// identityUnknown is the identity of a target that passes without one.
const identityUnknown = "unknown"

// VerdictPolicy is the plan's policy as the judge takes it.
func (p *Plan) VerdictPolicy() verdict.Policy {
	v := verdict.Policy{
		Tolerance: p.Policy.Goroutines.Tolerance, Percent: p.Policy.Goroutines.Percent, Detect: int(p.Policy.Detect),
		MinRounds: p.Load.Rounds.Min, MaxRounds: p.Load.Rounds.Max,
		Success: float64(p.Load.Success), Delivered: float64(p.Load.Delivered), Confirm: time.Duration(p.Settle.Confirm),
		Thorough: p.Policy.Thorough, FailOld: p.Policy.Before == "fail", GroupBy: p.Policy.GroupBy,
		Heap: verdict.Reaction(p.Policy.Heap), Resident: verdict.Reaction(p.Policy.Resident), Threads: verdict.Reaction(p.Policy.Threads),
		Production: verdict.Production{Rate: float64(p.Production.Rate), Memory: uint64(p.Production.Memory), Replicas: p.Production.Replicas},
	}
	limits := verdict.DefaultThresholds()
	v.Thresholds = &limits // recorded with a run, so that it is judged by them later
	v.Uncounted = p.Load.None != nil || p.Load.Exec != nil && p.Load.Exec.Summary == "none" ||
		p.Load.Job != nil && p.Load.Job.Summary == "none"
	for _, t := range p.Targets {
		if t.Identity == identityUnknown {
			v.Unidentified = append(v.Unidentified, t.Name)
		}
	}
	own := false
	floors := make([]float64, len(p.Load.Requests))
	for i, r := range p.Load.Requests {
		floors[i] = -1
		if r.Success != nil {
			floors[i], own = float64(*r.Success), true
		}
	}
	if own {
		v.Entries = floors
	}
	for _, i := range p.Policy.Ignore {
		v.Ignore = append(v.Ignore, verdict.Rule{
			Function: i.Function, Frame: i.Frame, CreatedBy: i.CreatedBy, Label: i.Label,
			Reason: i.Reason, Owner: i.Owner, Until: string(i.Until), Max: i.Max,
		})
	}
	return v
}
