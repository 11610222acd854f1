package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/internal/serve"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	address, metrics               string
	plans, state                   string
	tokenFile, webhookFile         string
	env, variables                 []string
	parallel, queue                int
	keep, keepTotal                int
	timeout, grace                 time.Duration
	allowExec, mountedOnly, asJSON bool
}

func (a *app) serveCommand() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve --token-file FILE --state DIR",
		Short: "Run plans for whoever asks by HTTP: pass, fail or inconclusive",
		Long: `serve is a small HTTP service for a cluster. POST /runs with a plan, or with the
name of a mounted one, starts a run; GET /runs/ID has its answer in a word
(running, pass, fail, inconclusive), the headline, and links to the reports. Two
plans of one name never run at once. The state directory holds everything: after
a restart, what had finished can be read, what was queued runs, and what was
under way is inconclusive. docs/serve.md has the API, and what Argo Rollouts and
Flagger make of it.`,
		Example: `  leakgate serve --token-file token --state state --plans plans
  curl -H "Authorization: Bearer $(cat token)" -H 'Content-Type: application/json' \
    -d '{"plan": "shop"}' 'http://127.0.0.1:8080/runs?wait=15m'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.address, "address", "127.0.0.1:8080", "address to listen on")
	f.StringVar(&o.metrics, "metrics-address", "", "address of /metrics alone (default: --address, without a token)")
	f.StringVar(&o.plans, "plans", "", "folder of plans, NAME.yaml each, that requests may name")
	f.StringVar(&o.state, "state", "", "folder for runs and reports, of this server alone")
	f.StringVar(&o.tokenFile, "token-file", "", "file with the bearer token that requests have to send; read for each")
	f.StringVar(&o.webhookFile, "webhook-token-file", "", "file with another token, good for /flagger/ alone")
	f.StringSliceVar(&o.env, "env", nil, "variable that plans may use besides "+serve.VariablePrefix+"*; may be repeated")
	f.StringSliceVar(&o.variables, "request-variables", nil, "variables that requests may set, webhooks too "+
		"(default: POST /runs all "+serve.VariablePrefix+"* that the environment does not have, webhooks none)")
	f.IntVar(&o.parallel, "parallel", 2, "most runs at once")
	f.IntVar(&o.queue, "queue", 16, "most runs that wait; more are answered with 429")
	f.IntVar(&o.keep, "keep", 20, "finished runs to keep of each plan")
	f.IntVar(&o.keepTotal, "keep-total", 1000, "finished runs to keep of all plans")
	f.DurationVar(&o.timeout, "run-timeout", time.Hour, "time after which a run is ended, and inconclusive")
	f.DurationVar(&o.grace, "grace", serve.DefaultGrace, "time that a run has to end when it is told to")
	f.BoolVar(&o.allowExec, "allow-exec", false, "plans may run commands on this machine (load.exec)")
	f.BoolVar(&o.mountedOnly, "mounted-only", false, "run plans of --plans alone, and take none by POST")
	f.BoolVar(&o.asJSON, "log-json", false, "log in JSON")
	_ = c.MarkFlagRequired("state")
	_ = c.MarkFlagRequired("token-file")
	return c
}

// leastToken is the shortest token that is taken, in bytes: a password would be guessed.
const leastToken = 16

// maxToken bounds a token's file, in bytes.
const maxToken = 4 << 10

// tokenOf reads a token anew each time it is asked for.
func tokenOf(file string) func() ([]byte, error) {
	if file == "" {
		return nil
	}
	return func() ([]byte, error) { return input.ReadFile(context.Background(), file, maxToken) }
}

// check finds what is wrong with the flags.
func (o serveOptions) check() error {
	for _, n := range []struct {
		flag string
		got  int
	}{{"parallel", o.parallel}, {"queue", o.queue}, {"keep", o.keep}, {"keep-total", o.keepTotal}} {
		if n.got < 1 {
			return fmt.Errorf("--%s %d: want at least 1", n.flag, n.got)
		}
	}
	if o.timeout <= 0 || o.grace <= 0 {
		return errors.New("--run-timeout and --grace: want more than 0")
	}
	if err := serve.CheckRequestVariables(o.variables); err != nil {
		return fmt.Errorf("--request-variables: %w", err)
	}
	if o.mountedOnly && o.plans == "" {
		return errors.New("--mounted-only needs --plans")
	}
	for _, file := range []string{o.tokenFile, o.webhookFile} {
		if file == "" {
			continue
		}
		token, err := tokenOf(file)()
		if err != nil {
			return fmt.Errorf("reading the token: %w", err)
		}
		if token = bytes.TrimSpace(token); len(token) < leastToken {
			err := fmt.Errorf("the token in %s has %d bytes; want at least %d", file, len(token), leastToken)
			return &exit{code: exitUsage, err: err, hint: "openssl rand -hex 32 >" + file}
		}
	}
	return nil
}

// serve runs until it is interrupted.
func (a *app) serve(ctx context.Context, o serveOptions) error {
	if err := o.check(); err != nil {
		return usageUnless(err)
	}
	self, err := os.Executable()
	if err != nil {
		return &exit{code: exitInconclusive, err: err}
	}
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			_ = l.Close() // most are closed already
		}
	}()
	for _, address := range []string{o.address, o.metrics} {
		if address == "" {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return usage(err)
		}
		listeners = append(listeners, l)
	}
	log := a.logger(o.asJSON)
	s, err := serve.New(serve.Config{
		Plans: o.plans, State: o.state, Env: serve.Environment(os.Environ(), o.env),
		Start:    serve.Child(self, []string{os.Args[0], "run"}, o.grace),
		Parallel: o.parallel, Queue: o.queue, Keep: o.keep, KeepTotal: o.keepTotal, Timeout: o.timeout,
		AllowExec: o.allowExec, MountedOnly: o.mountedOnly, RequestVariables: o.variables,
		Token: tokenOf(o.tokenFile), WebhookToken: tokenOf(o.webhookFile), Log: log,
	})
	if err != nil {
		return usage(err)
	}
	handlers := []http.Handler{s.Handler(o.metrics == ""), s.MetricsHandler()}
	log.Info("listening", "address", listeners[0].Addr().String(), "version", version())
	err = listen(ctx, listeners, handlers, s.Stop)
	log.Info("stopping")
	if err := errors.Join(err, s.Close()); err != nil {
		return &exit{code: exitInconclusive, err: err}
	}
	return nil
}

func (a *app) logger(asJSON bool) *slog.Logger {
	if asJSON {
		return slog.New(slog.NewJSONHandler(a.errOut, nil))
	}
	return slog.New(slog.NewTextHandler(a.errOut, nil))
}

// listenPatience is how long answers may take to be sent once the server stops.
const listenPatience = 5 * time.Second

// listen serves on each listener until ctx is over. stop is called first, so that requests
// that wait for a run have their answer.
func listen(ctx context.Context, listeners []net.Listener, handlers []http.Handler, stop func()) error {
	group, ctx := errgroup.WithContext(ctx)
	var servers []*http.Server
	for i, l := range listeners {
		h := serve.NewHTTPServer(handlers[i])
		servers = append(servers, h)
		group.Go(func() error {
			if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	<-ctx.Done()
	stop()
	patience, cancel := context.WithTimeout(context.Background(), listenPatience)
	defer cancel()
	for _, h := range slices.Backward(servers) {
		if h.Shutdown(patience) != nil {
			_ = h.Close() // whoever still reads is cut off
		}
	}
	return group.Wait()
}
