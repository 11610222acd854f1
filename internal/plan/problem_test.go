package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// problemCases are plans with something wrong, and everything that is said
// about them, in full. They are also the seeds of FuzzParse.
var problemCases = []struct {
	name, text string
	want       []string
}{
	// Keys.
	{
		"unknown key", oneTarget + oneLoad + "colour: red\n",
		[]string{`plan.yaml:3:1: colour: unknown key (known keys: version, name, targets, prometheus, load, settle, policy, production, attribute, safety, report)`},
	},
	// A misspelt key is not also a missing one.
	{
		"misspelt required key", "targets:\n  - pporf: http://h/debug/pprof\n" + oneLoad,
		[]string{`plan.yaml:2:5: targets[0].pporf: unknown key (did you mean "pprof"?)`},
	},
	{
		"misspelt key deep down", oneTarget + oneLoad + "policy:\n  ignore:\n    - {function: a, raeson: b}\n",
		[]string{`plan.yaml:5:21: policy.ignore[0].raeson: unknown key (did you mean "reason"?)`},
	},
	// The misspelling does not stand in for the right key, which is there.
	{
		"misspelt and right", oneTarget + "load: {rte: 1/s, rate: fast, requests: [GET http://h/]}\n",
		[]string{
			`plan.yaml:2:8: load.rte: unknown key (did you mean "rate"?)`,
			`plan.yaml:2:24: load.rate: "fast" is not a rate; write 200/s, 1200/m or max`,
		},
	},
	{
		"key given twice", oneTarget + "load: {rate: 10/s, requests: [GET http://h/], rate: 20/s}\n",
		[]string{`plan.yaml:2:47: load.rate: given twice`},
	},
	{
		"top key given twice", oneTarget + oneLoad + oneTarget,
		[]string{`plan.yaml:3:1: targets: given twice`},
	},
	// Header names differ by more than case.
	{
		"header given twice", oneTarget + "load: {requests: [{url: http://h/, header: {A-B: x, a-b: y}}]}\n",
		[]string{`plan.yaml:2:53: load.requests[0].header.a-b: given twice`},
	},
	{
		"keys that are no texts", oneTarget + oneLoad + "? [a, b]\n: c\n? {}\n: d\n~: e\n",
		[]string{
			`plan.yaml:3:3: want a string as a key, not a list`,
			`plan.yaml:5:3: want a string as a key, not a mapping`,
			`plan.yaml:7:1: want a string as a key, not nothing`,
		},
	},
	{
		"merge key", oneTarget + "load: &l {requests: [GET http://h/]}\nsettle: {<<: *l}\n",
		[]string{`plan.yaml:3:10: settle.<<: merge keys are not supported (give the alias to a whole value, or write the keys out)`},
	},
	{
		"alias as a key", oneTarget + oneLoad + "name: &n colour\n*n : red\n",
		[]string{`plan.yaml:4:1: colour: unknown key (known keys: version, name, targets, prometheus, load, settle, policy, production, attribute, safety, report)`},
	},
	// A key cannot write to the terminal, or make a second line of its own.
	{
		"control characters in a key", oneTarget + oneLoad + "\"a\\e[31m\\nb\\u202e\": 1\n",
		[]string{`plan.yaml:3:1: a\x1b[31m\nb\u202e: unknown key (known keys: version, name, targets, prometheus, load, settle, policy, production, attribute, safety, report)`},
	},
	{
		"long key", oneTarget + oneLoad + "? " + strings.Repeat("targets", 2000) + "\n: 1\n",
		[]string{"plan.yaml:3:3: " + strings.Repeat("targets", 2000) + ": unknown key (known keys: version, name, targets, prometheus, load, settle, policy, production, attribute, safety, report)"},
	},

	{
		"neither of two words", oneTarget + oneLoad + "policy: {leaked_before: stop}\n",
		[]string{`plan.yaml:3:25: policy.leaked_before: "stop" is not a valid value (write warn or fail)`},
	},
	{
		"selectors that would ask for something else", `
prometheus: {url: "http://127.0.0.1:9090"}
targets:
  - {name: a, selector: '{job="a" or job="b"}'}
  - {name: b, selector: '{job="a"} or {job="b"}'}
  - {name: c, selector: 'go_goroutines{"go_goroutines", job="a"}'}
  - {name: d, selector: 'rate({job="a"}[1m])'}
  - {name: e, selector: '{job="a"}[5m]'}
  - {name: f, selector: '{job="a"} offset 5m'}
  - {name: g, selector: '{job=a}'}
  - {name: h, selector: '{"up", job="a"}'}
`[1:] + oneLoad,
		[]string{
			`plan.yaml:3:25: targets[0].selector: "{job=\"a\" or job=\"b\"}" has "or" between its matchers, which only MetricsQL allows, at character 10 (write one matcher for both, such as {job=~"a|b"}; if they differ in more than one label, write two targets)`,
			`plan.yaml:4:25: targets[1].selector: "{job=\"a\"} or {job=\"b\"}" is not a selector: it joins two with "or" at character 11 (write one matcher for both, such as {job=~"a|b"}; if they differ in more than one label, write two targets)`,
			`plan.yaml:5:25: targets[2].selector: "go_goroutines{\"go_goroutines\", job=\"a\"}" names two metrics, go_goroutines and "go_goroutines", at character 15 (name the metric once)`,
			`plan.yaml:6:25: targets[3].selector: "rate({job=\"a\"}[1m])" is not a selector: it calls rate at character 5 (write one selector, such as {job="checkout"}; leakgate does the rest itself)`,
			`plan.yaml:7:25: targets[4].selector: "{job=\"a\"}[5m]" is not a selector: it has a range at character 10 (leave it out: leakgate asks for the samples that it needs)`,
			`plan.yaml:8:25: targets[5].selector: "{job=\"a\"} offset 5m" is not a selector: it has "offset" at character 11 (leave it out: leakgate asks for current samples)`,
			`plan.yaml:9:25: targets[6].selector: "{job=a}" has no value for "job" at character 6 (put the value in quotes, as in {job="checkout"})`,
			`plan.yaml:10:25: targets[7].selector: "{\"up\", job=\"a\"}" names up, which does not count goroutines (write {job="checkout"}, and leakgate finds the count by its usual names)`,
		},
	},
	{
		"sources that cannot be", `
targets:
  - {name: a, selector: '{job="a"}', metrics: http://a/}
  - {name: b, selector: ""}
prometheus: {auth: {bearer: x, basic: {user: u}}, timeout: 0s}
`[1:] + oneLoad,
		[]string{
			`plan.yaml:2:25: targets[0].selector: needs a Prometheus server (add prometheus: {url: http://prometheus:9090})`,
			`plan.yaml:3:25: targets[1].selector: is empty (such as {job="checkout"})`,
			`plan.yaml:4:39: prometheus.auth.basic: bearer and basic exclude each other`,
			`plan.yaml:4:60: prometheus.timeout: must be more than 0`,
		},
	},
	{
		"loads that exclude each other", oneTarget + "load: {requests: [GET http://h/], exec: {command: [x], summary: y}, none: {}}\n",
		[]string{
			`plan.yaml:2:41: load.exec: exec excludes requests, file, streams and none (have the command send all of the load)`,
		},
	},
	{
		"a summary of no known form", oneTarget + "load: {exec: {command: [x], summary: y}}\n",
		[]string{`plan.yaml:2:38: load.exec.summary: "y" is not a valid value (write auto, k6, ghz, vegeta, wrk or none)`},
	},
	{
		"queries without a server", oneTarget + "load: {none: {requests: sum(x)}}\n",
		[]string{`plan.yaml:2:14: load.none: its queries need a Prometheus server (add prometheus: {url: http://prometheus:9090})`},
	},
	{
		"streams that cannot be", oneTarget + `
load:
  streams:
    - {websocket: ftp://a/, connections: 0}
    - {websocket: ws://a/, sse: http://a/}
    - {grpc: http://a, hold: 1ms}
    - {sse: http://a/, send: x, every: 1us}
    - {grpc: http://a, method: Join}
`[1:],
		[]string{
			`plan.yaml:4:19: load.streams[0].websocket: "ftp://a/" is not a ws address (begin it with ws:// or wss://)`,
			`plan.yaml:4:42: load.streams[0].connections: 0 is not between 1 and 65535`,
			`plan.yaml:5:7: load.streams[1]: has 2 of websocket, sse, poll and grpc; want exactly one (such as {websocket: ws://127.0.0.1:8080/ws, connections: 200})`,
			`plan.yaml:6:7: load.streams[2].method: grpc and method go together (such as /chat.Chat/Join)`,
			`plan.yaml:6:30: load.streams[2].hold: 1ms is too short to hold a connection; the minimum is 100ms (use load.requests for short requests)`,
			`plan.yaml:7:30: load.streams[3].send: sse cannot send messages`,
			`plan.yaml:7:40: load.streams[3].every: 1µs is too short; the minimum is 1ms`,
			`plan.yaml:8:32: load.streams[4].method: "Join" is not the full name of a method (such as /chat.Chat/Join)`,
		},
	},
	{
		"productions that cannot be", oneTarget + oneLoad + "production: {rate: max, replicas: 0, memory: 5000T}\n",
		[]string{
			`plan.yaml:3:20: production.rate: max is not a production rate (such as 500/s)`,
			`plan.yaml:3:35: production.replicas: 0 is not a number of replicas`,
			`plan.yaml:3:46: production.memory: "5000T" is more than any machine has`,
		},
	},
	{
		"none of three words", oneTarget + oneLoad + "policy: {heap: red}\n",
		[]string{`plan.yaml:3:16: policy.heap: "red" is not a valid value (write warn, fail or ignore)`},
	},
	// What is missing.
	{
		"targets and load missing", "version: 1\n",
		[]string{
			`plan.yaml:1:1: targets: missing: every process to watch, one entry per replica`,
			`plan.yaml:1:1: load: missing: the load to send`,
		},
	},
	{
		"pprof missing", "targets:\n  - name: a\n" + oneLoad,
		[]string{`plan.yaml:2:5: targets[0].pprof: missing: address of net/http/pprof, up to and including /debug/pprof (or add a selector, and prometheus: {url: …}, or kubernetes: deployment/NAME)`},
	},
	{
		"user missing", "targets: [{pprof: http://h/debug/pprof, auth: {basic: {password: abcd}}}]\n" + oneLoad,
		[]string{`plan.yaml:1:55: targets[0].auth.basic.user: missing: user name`},
	},
	{
		"url missing", oneTarget + "load:\n  requests:\n    - method: GET\n",
		[]string{`plan.yaml:4:7: load.requests[0].url: missing: absolute URL`},
	},
	{
		"reason missing or empty", oneTarget + oneLoad + "policy: {ignore: [{function: a}, {function: b, reason: ''}]}\n",
		[]string{
			`plan.yaml:3:19: policy.ignore[0].reason: missing: why the stack may grow`,
			`plan.yaml:3:56: policy.ignore[1].reason: is empty; say why the stack may grow`,
		},
	},
	{
		"no target", "targets: []\n" + oneLoad,
		[]string{`plan.yaml:1:10: targets: no target (list at least one process: - {pprof: http://127.0.0.1:6060/debug/pprof})`},
	},
	{
		"no request", oneTarget + "load: {rate: 1/s}\n",
		[]string{`plan.yaml:2:7: load.requests: no request to send (list at least one: - GET http://127.0.0.1:8080/)`},
	},

	// Nothing where a value belongs.
	{
		"null values", oneTarget + oneLoad + "name:\nreport: {dir: ~}\nsettle: {quiet: null}\nsafety: {goroutines: }\n",
		[]string{
			`plan.yaml:3:6: name: has no value`,
			`plan.yaml:4:15: report.dir: has no value`,
			`plan.yaml:5:17: settle.quiet: want a value such as 20s, not nothing`,
			`plan.yaml:6:22: safety.goroutines: has no value`,
		},
	},
	{
		"null targets and load", "targets:\nload:\n",
		[]string{
			`plan.yaml:1:9: targets: no target (list at least one process: - {pprof: http://127.0.0.1:6060/debug/pprof})`,
			`plan.yaml:2:6: load.requests: no request to send (list at least one: - GET http://127.0.0.1:8080/)`,
		},
	},
	// A rule of nothing would match every stack.
	{
		"null items", "targets:\n  -\nload:\n  requests:\n    -\npolicy:\n  ignore:\n    -\n",
		[]string{
			`plan.yaml:2:4: targets[0].pprof: missing: address of net/http/pprof, up to and including /debug/pprof (or add a selector, and prometheus: {url: …}, or kubernetes: deployment/NAME)`,
			`plan.yaml:5:6: load.requests[0].url: missing: absolute URL`,
			`plan.yaml:8:6: policy.ignore[0].reason: missing: why the stack may grow`,
			`plan.yaml:8:6: policy.ignore[0]: has no function, frame, created_by or label; it would match every stack (add function: with a regular expression for the blamed function)`,
		},
	},
	// A header of nothing is not the text "~", and no credentials are not credentials.
	{
		"null in auth", "targets: [{pprof: http://h/debug/pprof, auth: {basic: ~, headers: {X: ~}}}]\n" + oneLoad,
		[]string{
			`plan.yaml:1:55: targets[0].auth.basic.user: missing: user name`,
			`plan.yaml:1:71: targets[0].auth.headers.X: has no value`,
		},
	},

	// Types.
	{
		"wrong types", "version: one\nname: {a: b}\n" + oneTarget + "load: fast\nsettle: [a]\nreport: ~\npolicy: {ignore: {function: a}}\n",
		[]string{
			`plan.yaml:1:10: version: want a whole number, not "one"`,
			`plan.yaml:2:7: name: want a string, not a mapping`,
			`plan.yaml:4:7: load: want a mapping with rate, connections, timeout, …, not "fast"`,
			`plan.yaml:5:9: settle: want a mapping with timeout, quiet, confirm, not a list`,
			`plan.yaml:7:18: policy.ignore: want a list, not a mapping (begin each item with a dash)`,
		},
	},
	{
		"wrong types of plain values", oneTarget + "load: {insecure: yes, http2: 1, h2c: [true], connections: 2.5, rate: {a: b}, requests: [GET http://h/]}\n" +
			"policy: {goroutines: {tolerance: ten, percent: .inf}}\n",
		[]string{
			`plan.yaml:2:18: load.insecure: want true or false, not "yes"`,
			`plan.yaml:2:30: load.http2: want true or false, not "1"`,
			`plan.yaml:2:38: load.h2c: want true or false, not a list`,
			`plan.yaml:2:59: load.connections: want a whole number, not "2.5"`,
			`plan.yaml:2:70: load.rate: want a value such as 200/s, not a mapping`,
			`plan.yaml:3:34: policy.goroutines.tolerance: want a whole number, not "ten"`,
			`plan.yaml:3:48: policy.goroutines.percent: want a number, not ".inf"`,
		},
	},
	{
		"long value", oneTarget + oneLoad + "settle: {timeout: " + strings.Repeat("é", 300) + "}\n",
		[]string{`plan.yaml:3:19: settle.timeout: "` + strings.Repeat("é", 40) + `"… is not a duration; write 20s, 1m30s or 250ms`},
	},
	{"list", "- a\n", []string{`plan.yaml:1:1: want a mapping with version, name, targets, …, not a list`}},
	{"text", "plan\n", []string{`plan.yaml:1:1: want a mapping with version, name, targets, …, not "plan"`}},

	// Values with a syntax of their own.
	{
		"bad durations", oneTarget + oneLoad + "settle: {timeout: 60, quiet: soon, confirm: -5s}\n",
		[]string{
			`plan.yaml:3:19: settle.timeout: "60" has no unit; write 60s for seconds`,
			`plan.yaml:3:30: settle.quiet: "soon" is not a duration; write 20s, 1m30s or 250ms`,
			`plan.yaml:3:45: settle.confirm: "-5s" is negative`,
		},
	},
	// Neither is a number of seconds, and the second does not fit the type.
	{
		"huge durations", oneTarget + oneLoad + "settle: {timeout: 999999h, quiet: 99999999999999999h, confirm: nan}\n",
		[]string{
			`plan.yaml:3:19: settle.timeout: "999999h" is more than a week`,
			`plan.yaml:3:35: settle.quiet: "99999999999999999h" is more than a week`,
			`plan.yaml:3:64: settle.confirm: "nan" is not a duration; write 20s, 1m30s or 250ms`,
		},
	},
	{
		"durations of nothing", "targets: [{pprof: http://h/debug/pprof, timeout: 0s}]\nload: {timeout: 0, round: 0s, requests: [GET http://h/]}\n",
		[]string{
			`plan.yaml:1:50: targets[0].timeout: must be more than 0`,
			`plan.yaml:2:17: load.timeout: must be more than 0`,
			`plan.yaml:2:27: load.round: must be more than 0`,
		},
	},
	{
		"bad rate", oneTarget + "load: {rate: fast, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:14: load.rate: "fast" is not a rate; write 200/s, 1200/m or max`},
	},
	{
		"rate of nothing", oneTarget + "load: {rate: 0, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:14: load.rate: "0" is not a rate; write 200/s, 1200/m or max`},
	},
	{
		"rate per nothing", oneTarget + "load: {rate: 5/0s, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:14: load.rate: "5/0s" is not a rate; write 200/s, 1200/m or max`},
	},
	{
		"huge rate", oneTarget + "load: {rate: 1e300, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:14: load.rate: "1e300" is more than any client can send; write max to send as fast as possible`},
	},
	// So small that it is 0 as a number, which stands for max.
	{
		"tiny rate", oneTarget + "load: {rate: 1e-323/100h, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:14: load.rate: "1e-323/100h" is not a rate; write 200/s, 1200/m or max`},
	},
	{
		"no request in a round", oneTarget + "load: {rate: 1/m, round: 20s, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:14: load.rate: less than one request per round (raise the rate or load.round)`},
	},
	{
		"bad shares", oneTarget + "load: {success: 1.5, abandon: 150%, delivered: most, requests: [{url: http://h/, success: -1%}]}\nsafety: {errors: 1e999}\n",
		[]string{
			`plan.yaml:2:17: load.success: "1.5" is not between 0 and 1 (0% and 100%)`,
			`plan.yaml:2:31: load.abandon: "150%" is not between 0 and 1 (0% and 100%)`,
			`plan.yaml:2:48: load.delivered: "most" is not a share; write 0.05 or 5%`,
			`plan.yaml:2:91: load.requests[0].success: "-1%" is not between 0 and 1 (0% and 100%)`,
			`plan.yaml:3:18: safety.errors: "1e999" is not between 0 and 1 (0% and 100%)`,
		},
	},
	{
		"bad detect", oneTarget + oneLoad + "policy: {detect: 2/1000}\n",
		[]string{`plan.yaml:3:18: policy.detect: "2/1000" is not of the form 1/1000`},
	},
	{
		"huge detect", oneTarget + oneLoad + "policy: {detect: 1/99999999999999999999}\n",
		[]string{`plan.yaml:3:18: policy.detect: "1/99999999999999999999" is smaller than any run can see`},
	},
	{
		"bad dates", oneTarget + oneLoad + "policy: {ignore: [{function: a, reason: b, until: 2027-02-30}, {function: a, reason: b, until: soon}, {function: a, reason: b, until: 2027-3-1}]}\n",
		[]string{
			`plan.yaml:3:51: policy.ignore[0].until: "2027-02-30" is not a date; write 2027-03-01`,
			`plan.yaml:3:96: policy.ignore[1].until: "soon" is not a date; write 2027-03-01`,
			`plan.yaml:3:135: policy.ignore[2].until: "2027-3-1" is not a date; write 2027-03-01`,
		},
	},
	{
		"numbers out of range", "version: 2\n" + oneTarget + "load: {rounds: {max: 100000}, connections: 0, requests: [{url: http://h/, weight: 0}]}\n" +
			"policy: {goroutines: {tolerance: -1, percent: 101}, ignore: [{function: a, reason: b, max: -1}]}\nsafety: {goroutines: -1}\n",
		[]string{
			`plan.yaml:1:10: version: this leakgate does not know format 2 (write version: 1)`,
			`plan.yaml:3:22: load.rounds.max: 100000 is too many; the maximum is 1000`,
			`plan.yaml:3:44: load.connections: 0 is not between 1 and 65535`,
			`plan.yaml:3:83: load.requests[0].weight: 0 is not between 1 and 10000 (leave a request out instead of giving it no weight)`,
			`plan.yaml:4:34: policy.goroutines.tolerance: -1 is negative`,
			`plan.yaml:4:47: policy.goroutines.percent: 101 is not between 0 and 100`,
			`plan.yaml:4:92: policy.ignore[0].max: -1 is negative`,
			`plan.yaml:5:22: safety.goroutines: -1 is negative (0 sets no limit)`,
		},
	},
	{
		"numbers too large for the machine", oneTarget + "load: {connections: 99999999999999999999, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:21: load.connections: "99999999999999999999" is out of range`},
	},

	// What does not go together.
	{
		"rounds.min", oneTarget + "load: {rounds: {min: 1}, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:22: load.rounds.min: 1 is too few; the minimum is 2 (only growth that repeats tells a leak from a pool)`},
	},
	{
		"max below min", oneTarget + "load: {rounds: {min: 4, max: 3}, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:30: load.rounds.max: 3 is less than min, 4`},
	},
	{
		"requests and file", oneTarget + "load: {file: nowhere.http, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:14: load.file: requests and file exclude each other`},
	},
	{
		"file that is not there", oneTarget + "load: {file: nowhere.http, format: xml}\n",
		[]string{
			`plan.yaml:2:14: load.file: no such file: nowhere.http (paths are relative to the plan's folder)`,
			`plan.yaml:2:36: load.format: "xml" is not a valid value (write http or json)`,
		},
	},
	{"file that is a folder", oneTarget + "load: {file: testdata}\n", []string{`plan.yaml:2:14: load.file: testdata is a directory`}},
	{
		"h2c with https", oneTarget + "load: {h2c: true, requests: [GET https://h/]}\n",
		[]string{`plan.yaml:2:30: load.requests[0].url: https excludes load.h2c, which is HTTP/2 without TLS`},
	},
	{
		"h2c with TLS options", oneTarget + "load: {h2c: true, insecure: true, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:13: load.h2c: h2c is HTTP/2 without TLS and excludes ca, cert and insecure`},
	},
	{
		"cert without key", oneTarget + "load: {cert: plan.go, requests: [GET http://h/]}\n",
		[]string{`plan.yaml:2:7: load.key: missing: the key for cert`},
	},
	{
		"key without cert", "targets: [{pprof: http://h/debug/pprof, auth: {key: plan.go}}]\n" + oneLoad,
		[]string{`plan.yaml:1:47: targets[0].auth.cert: missing: the certificate for key`},
	},
	{
		"bearer and basic", "targets: [{pprof: http://h/debug/pprof, auth: {bearer: abcd, basic: {user: u}}}]\n" + oneLoad,
		[]string{`plan.yaml:1:69: targets[0].auth.basic: bearer and basic exclude each other`},
	},
	{
		"body and body_file", oneTarget + "load: {requests: [{url: http://h/, body: a, body_file: plan.go}]}\n",
		[]string{`plan.yaml:2:56: load.requests[0].body_file: body and body_file exclude each other`},
	},
	{
		"same name", "targets:\n  - {name: a, pprof: http://h:1/debug/pprof}\n  - {name: a, pprof: http://h:2/debug/pprof}\n" + oneLoad,
		[]string{`plan.yaml:3:12: targets[1].name: targets[0] has the same name, "a" (give each target a name of its own)`},
	},
	{
		"same name by default", "targets:\n  - {pprof: http://h:1/debug/pprof}\n  - {pprof: http://h:1/x/debug/pprof}\n" + oneLoad,
		[]string{`plan.yaml:3:5: targets[1].name: targets[0] has the same name, "h:1" (give each target a name of its own)`},
	},
	{
		"same file name", "targets:\n  - {name: a/b, pprof: http://h:1/debug/pprof}\n  - {name: a_b, pprof: http://h:2/debug/pprof}\n" + oneLoad,
		[]string{`plan.yaml:3:12: targets[1].name: "a_b" makes the same file name as targets[0].name, "a/b"`},
	},
	{
		"quiet out of range", oneTarget + oneLoad + "settle: {quiet: 10ms}\n",
		[]string{`plan.yaml:3:17: settle.quiet: 10ms is too short to see whether a count is level; the minimum is 500ms (2s is the default)`},
	},
	{
		"quiet beyond timeout", oneTarget + oneLoad + "settle: {quiet: 90s}\n",
		[]string{`plan.yaml:3:17: settle.quiet: 1m30s is longer than settle.timeout, 1m0s`},
	},
	{
		"detect out of reach", oneTarget + "load: {rate: 1/s, round: 1s, requests: [GET http://h/]}\npolicy: {detect: 1/1000}\n",
		[]string{`plan.yaml:3:18: policy.detect: the whole load is at most 6 requests, too few to see a leak of one in 1000 (raise load.rate, load.round or load.rounds.max)`},
	},
	// The rate is not known, so nothing is said of what it could show.
	{
		"detect with a bad rate", oneTarget + "load: {rate: fast, requests: [GET http://h/]}\npolicy: {detect: 1/1000000}\n",
		[]string{`plan.yaml:2:14: load.rate: "fast" is not a rate; write 200/s, 1200/m or max`},
	},
	{
		"bad and empty regexp", oneTarget + oneLoad + "policy: {ignore: [{function: 'a(', reason: x}, {function: '', reason: x}]}\n",
		[]string{
			"plan.yaml:3:30: policy.ignore[0].function: error parsing regexp: missing closing ): `a(` (write a regular expression in Go's syntax)",
			`plan.yaml:3:59: policy.ignore[1].function: is empty; it would match every stack (write . if you mean that)`,
		},
	},
	{"report nowhere", oneTarget + oneLoad + "report: {dir: ''}\n", []string{`plan.yaml:3:15: report.dir: is empty`}},

	// Requests and addresses.
	{
		"bad requests", oneTarget + "load:\n  requests:\n    - GET\n    - one two three\n    - [GET, http://h/]\n    - {method: get, url: http://h/}\n    - GET /cart\n    - h/cart\n    - ''\n",
		[]string{
			`plan.yaml:4:7: load.requests[0]: want METHOD URL, not "GET"`,
			`plan.yaml:5:7: load.requests[1]: want METHOD URL, not "one two three"`,
			`plan.yaml:6:7: load.requests[2]: want a mapping with method, url, header, body, body_file, weight, success, abandon, not a list`,
			`plan.yaml:7:16: load.requests[3].method: "get" is not an HTTP method (write methods in capitals)`,
			`plan.yaml:8:7: load.requests[4].url: "/cart" is not an http address (begin it with http:// or https://)`,
			`plan.yaml:9:7: load.requests[5]: want METHOD URL, not "h/cart"`,
			`plan.yaml:10:7: load.requests[6]: want METHOD URL, not ""`,
		},
	},
	{
		"pods that cannot be meant", "targets:\n  - {kubernetes: service/web, port: 99999, metrics: 'http://x/metrics'}\n  - {kubernetes: {selector: '='}}\n" +
			"  - {pprof: 'http://h/', namespace: x, port: 1, metrics: /metrics}\n  - {kubernetes: deployment/web, selector: '{job=\"x\"}'}\n" +
			"  - {kubernetes: {workload: pod/a, selector: app=a, namespace: a}, namespace: b}\n  - {kubernetes: {}, name: nothing}\n" + oneLoad,
		[]string{
			`plan.yaml:2:18: targets[0].kubernetes: "service/web" is not a workload (write deployment/NAME, statefulset/NAME, daemonset/NAME or pod/NAME)`,
			`plan.yaml:2:37: targets[0].port: 99999 is not between 1 and 65535`,
			`plan.yaml:2:53: targets[0].metrics: of pods, metrics are a path, not "http://x/metrics" (such as /metrics)`,
			`plan.yaml:3:29: targets[1].kubernetes.selector: "=": found '=', expected: !, identifier, or 'end of string' (write it as for kubectl -l: app=checkout,tier=web)`,
			`plan.yaml:4:37: targets[2].namespace: is only for a target with kubernetes`,
			`plan.yaml:4:46: targets[2].port: is only for a target with kubernetes`,
			`plan.yaml:4:58: targets[2].metrics: a path alone is only for a target with kubernetes (write the full address: http://host:port/metrics)`,
			`plan.yaml:5:44: targets[3].selector: selector is of a Prometheus server, and excludes kubernetes (for pods by their labels: kubernetes: {selector: app=checkout})`,
			`plan.yaml:6:46: targets[4].kubernetes.selector: workload and selector exclude each other`,
			`plan.yaml:6:79: targets[4].namespace: kubernetes has another namespace, "a"`,
			`plan.yaml:7:18: targets[5].kubernetes: does not say which pods (such as deployment/checkout, or {selector: app=checkout})`,
		},
	},
	{
		"bad addresses", "targets:\n  - {pprof: 6060}\n  - {pprof: 127.0.0.1:6060/debug/pprof}\n  - {pprof: ftp://h/}\n  - {pprof: 'http://'}\n" +
			"  - {pprof: http://h:port/}\n  - {pprof: ''}\n  - {pprof: http://h/, metrics: \"http://h/\\x01\"}\n  - x\n" + oneLoad,
		[]string{
			`plan.yaml:2:13: targets[0].pprof: "6060" is not an http address (begin it with http:// or https://)`,
			`plan.yaml:3:13: targets[1].pprof: "127.0.0.1:6060/debug/pprof" is not an http address (begin it with http:// or https://)`,
			`plan.yaml:4:13: targets[2].pprof: "ftp://h/" is not an http address (begin it with http:// or https://)`,
			`plan.yaml:5:13: targets[3].pprof: the address has no host`,
			`plan.yaml:6:13: targets[4].pprof: not an address: invalid port ":port" after host`,
			`plan.yaml:7:13: targets[5].pprof: is empty`,
			`plan.yaml:8:33: targets[6].metrics: not an address: net/url: invalid control character in URL`,
			`plan.yaml:9:5: targets[7]: want a mapping with name, pprof, metrics, …, not "x"`,
		},
	},

	// Variables.
	{
		"variable not set", "targets: [{pprof: http://h/debug/pprof, auth: {bearer: \"${NOT_SET}\"}}]\nload: {rate: \"${NOT_SET}\", requests: [\"${NOT_SET}/\", {url: \"http://h/${NEITHER}${NOT_SET}\"}]}\n",
		[]string{
			`plan.yaml:1:56: targets[0].auth.bearer: environment variable NOT_SET is not set (export it, or write $${NOT_SET} for the text itself)`,
			`plan.yaml:2:14: load.rate: environment variable NOT_SET is not set (export it, or write $${NOT_SET} for the text itself)`,
			`plan.yaml:2:39: load.requests[0]: environment variable NOT_SET is not set (export it, or write $${NOT_SET} for the text itself)`,
			`plan.yaml:2:60: load.requests[1].url: environment variable NEITHER is not set (export it, or write $${NEITHER} for the text itself)`,
			`plan.yaml:2:60: load.requests[1].url: environment variable NOT_SET is not set (export it, or write $${NOT_SET} for the text itself)`,
		},
	},
	{
		"no variable", oneTarget + oneLoad + "name: \"${} ${A B} ${NAME:-x} ${x.y}\"\n",
		[]string{
			`plan.yaml:3:7: name: "${}" does not name a variable (write ${NAME}, or $${ for the text ${ itself)`,
			`plan.yaml:3:7: name: "${A B}" does not name a variable (write ${NAME}, or $${ for the text ${ itself)`,
			`plan.yaml:3:7: name: "${NAME:-x}" does not name a variable (write ${NAME}, or $${ for the text ${ itself)`,
		},
	},
	// What a variable holds is not written to the log.
	{
		"variable with a wrong value", oneTarget + "load: {rate: \"${WRONG}\", insecure: \"${WRONG}\", connections: \"${WRONG}\", success: \"${EMPTY}\", requests: [\"${WRONG}\"]}\n",
		[]string{
			`plan.yaml:2:14: load.rate: want a value such as 200/s, not what "${WRONG}" holds`,
			`plan.yaml:2:36: load.insecure: want true or false, not what "${WRONG}" holds`,
			`plan.yaml:2:61: load.connections: want a whole number, not what "${WRONG}" holds`,
			`plan.yaml:2:82: load.success: want a value such as 5%, not what "${EMPTY}" holds`,
			`plan.yaml:2:105: load.requests[0]: want METHOD URL, not "${WRONG}"`,
		},
	},

	// Several at once, in the order of the file whatever the order they are found in.
	{
		"several", "name: [a]\nsettle: {quiet: 10ms}\nload:\n  rounds: {min: 9, max: 3}\n  requests: [get]\n  rate: fast\ntargets:\n  - pprof: x\nversoin: 1\n",
		[]string{
			`plan.yaml:1:7: name: want a string, not a list`,
			`plan.yaml:2:17: settle.quiet: 10ms is too short to see whether a count is level; the minimum is 500ms (2s is the default)`,
			`plan.yaml:4:25: load.rounds.max: 3 is less than min, 9`,
			`plan.yaml:5:14: load.requests[0]: want METHOD URL, not "get"`,
			`plan.yaml:6:9: load.rate: "fast" is not a rate; write 200/s, 1200/m or max`,
			`plan.yaml:8:12: targets[0].pprof: "x" is not an http address (begin it with http:// or https://)`,
			`plan.yaml:9:1: versoin: unknown key (did you mean "version"?)`,
		},
	},
	// What an alias repeats is reported where it is written, once for each use.
	{
		"problem behind an alias", "targets:\n  - {name: a, pprof: http://h/debug/pprof, auth: &a {toekn: x}}\n  - {name: b, pprof: http://h/debug/pprof, auth: *a}\n" + oneLoad,
		[]string{
			`plan.yaml:2:54: targets[0].auth.toekn: unknown key (known keys: bearer, basic, headers, cert, key)`,
			`plan.yaml:2:54: targets[1].auth.toekn: unknown key (known keys: bearer, basic, headers, cert, key)`,
		},
	},

	// Not YAML. yaml.v3 counts some lines from 0 and gives none for others.
	{"tab", "version: 1\n\ttargets: x\n", []string{`plan.yaml:2:1: not YAML: found a tab character that violates indentation (indent with spaces, not tabs)`}},
	{"tab before a value", "version: 1\nload:\n\t- a\n", []string{`plan.yaml:3:1: not YAML: found character that cannot start any token (indent with spaces, not tabs)`}},
	{"open list", "version: 1\na: [b\nc: d\n", []string{`plan.yaml:2:1: not YAML: did not find expected ',' or ']'`}},
	{"open mapping", "{\n", []string{`plan.yaml:2:1: not YAML: did not find expected node content`}},
	{"stray brace", oneTarget + oneLoad + "}\n", []string{`plan.yaml:3:1: not YAML: did not find expected key`}},
	{"colon in a value", oneTarget + "load: a: b\n", []string{`plan.yaml:2:1: not YAML: mapping values are not allowed in this context`}},
	{"unknown anchor", oneTarget + "load: *nobody\n", []string{`plan.yaml:2:7: not YAML: unknown anchor 'nobody' referenced`}},
	{"unknown version of YAML", "%YAML 9\n", []string{`plan.yaml:1:1: not YAML: did not find expected digit or '.' character`}},
	{"not UTF-8", "version: 1\nname: \xffx\n", []string{`plan.yaml:2:7: not YAML: invalid leading UTF-8 octet`}},
	{"half a character", "version: 1\nname: caf\xc3\n", []string{`plan.yaml:2:10: not YAML: invalid trailing UTF-8 octet`}},
	{"half of UTF-16", "\xff\xfea", []string{`plan.yaml:1:1: not YAML: incomplete UTF-16 character`}},
	{"NUL", "version: 1\nname: a\x00b\n", []string{`plan.yaml:2:8: not YAML: control characters are not allowed`}},
	{"empty", "", []string{"plan.yaml: the plan is empty (`leakgate init` writes a starter plan)"}},
	{"comment", "# nothing\n", []string{"plan.yaml: the plan is empty (`leakgate init` writes a starter plan)"}},
	{"null", "---\n~\n", []string{"plan.yaml: the plan is empty (`leakgate init` writes a starter plan)"}},
	{
		"two documents", oneTarget + oneLoad + "---\n" + oneTarget + oneLoad,
		[]string{`plan.yaml:3:1: more than one YAML document; a plan has one`},
	},
	{
		"problem and a second document", "versoin: 1\n" + oneTarget + oneLoad + "---\na: b\n",
		[]string{
			`plan.yaml:1:1: versoin: unknown key (did you mean "version"?)`,
			`plan.yaml:4:1: more than one YAML document; a plan has one`,
		},
	},

	// Deep nesting: within what the YAML library allows, and beyond.
	{
		"deep", oneTarget + oneLoad + "x: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "\n",
		[]string{`plan.yaml:3:1: x: unknown key (known keys: version, name, targets, prometheus, load, settle, policy, production, attribute, safety, report)`},
	},
	{
		"too deep", oneTarget + oneLoad + "x: " + strings.Repeat("[", 10001) + strings.Repeat("]", 10001) + "\n",
		[]string{`plan.yaml:3:1: not YAML: exceeded max depth of 10000`},
	},
	// An alias that holds itself is finite here: the plan's structs are.
	{
		"cycle", oneTarget + oneLoad + "policy: &p {ignore: [*p]}\n",
		[]string{
			`plan.yaml:3:9: policy.ignore[0].reason: missing: why the stack may grow`,
			`plan.yaml:3:9: policy.ignore[0]: has no function, frame, created_by or label; it would match every stack (add function: with a regular expression for the blamed function)`,
			`plan.yaml:3:13: policy.ignore[0].ignore: unknown key (known keys: function, frame, created_by, label, reason, owner, until, max)`,
		},
	},
}

func TestParseProblems(t *testing.T) {
	for _, tt := range problemCases {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse("plan.yaml", []byte(tt.text), testEnv)
			if err == nil || p != nil {
				t.Fatalf("Parse(%s) = %v, %v, want problems only", tt.name, p, err)
			}
			if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, tt.want) {
				t.Errorf("Parse(%s):\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// Every problem can be had as a value, too.
func TestProblemValue(t *testing.T) {
	_, err := Parse("plan.yaml", []byte(oneTarget+"load: {rte: 5/s, requests: [GET http://h/]}\n"), testEnv)
	var got Problems
	if !errors.As(err, &got) || len(got) != 1 {
		t.Fatalf("Parse = %v, want one problem", err)
	}
	want := Problem{File: "plan.yaml", Line: 2, Column: 8, Field: "load.rte", Message: "unknown key", Hint: `did you mean "rate"?`}
	if got[0] != want {
		t.Errorf("problem = %#v, want %#v", got[0], want)
	}
}

// A kilobyte of aliases can ask for more than memory holds.
func TestAliasBombs(t *testing.T) {
	// Lists of lists of lists: no field is one, so nothing is expanded.
	laughs := "name: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'n'; c++ {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c, ", c-1), 10))
	}
	// 2,000 times a header of 1,000 lines is two million values in 80 kB.
	header := make([]string, 1000)
	for i := range header {
		header[i] = fmt.Sprintf("h%d: x", i)
	}
	wide := oneTarget + "load:\n  requests:\n    - {url: http://h/, header: &h {" + strings.Join(header, ", ") + "}}\n" +
		strings.Repeat("    - {url: http://h/, header: *h}\n", 2000)
	// The healthy twin: 30 times the same header.
	healthy := oneTarget + "load:\n  requests:\n    - {url: http://h/, header: &h {" + strings.Join(header, ", ") + "}}\n" +
		strings.Repeat("    - {url: http://h/, header: *h}\n", 30)

	if _, err := Parse("plan.yaml", []byte(laughs), testEnv); err == nil {
		t.Error("Parse(lists of lists) found no problem")
	}
	_, err := Parse("plan.yaml", []byte(wide), testEnv)
	if err == nil || strings.Count(err.Error(), "\n") != 0 || !strings.Contains(err.Error(), "the plan expands to more than 300000 values (use fewer aliases)") {
		t.Errorf("Parse(two million values) = %.300v, want one problem that says so", err)
	}
	if _, err := Parse("plan.yaml", []byte(healthy), testEnv); err != nil {
		t.Errorf("Parse(30,000 values) = %.300v, want no problem", err)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"rate", "rounds", "round", "requests", "timeout"}
	for _, tt := range []struct{ key, want string }{
		{"rte", "rate"},     // one left out
		{"ratee", "rate"},   // one too many
		{"arte", "rate"},    // neighbours swapped count as one
		{"rouds", "rounds"}, // one away from rounds, as from round: the first of the list
		{"request", "requests"},
		{"time_out", "timeout"},
		{"duration", ""}, // nothing like it
		{"", ""},
		{"x", ""},
	} {
		if got := nearest(tt.key, known); got != tt.want {
			t.Errorf("nearest(%q) = %q, want %q", tt.key, got, tt.want)
		}
	}
}
