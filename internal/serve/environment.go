package serve

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// VariablePrefix begins the names of the variables that a plan may use. Whoever posts a
// plan decides to which addresses its values go, and the server's environment holds what is
// none of a plan's business: credentials of the cluster, of a cloud, of a registry. So
// nothing is handed on but what was meant for plans.
const VariablePrefix = "LEAKGATE_PLAN_"

// systemVariables are handed to a child for itself: where programs and certificates are,
// how the cluster is reached, how much it may take. None holds a secret.
var systemVariables = regexp.MustCompile(`^(PATH|HOME|TMPDIR|TZ|SSL_CERT_FILE|SSL_CERT_DIR|KUBECONFIG|` +
	`KUBERNETES_SERVICE_HOST|KUBERNETES_SERVICE_PORT|GOMAXPROCS|SystemRoot|TEMP|TMP|USERPROFILE)$`)

// Environment is a child's environment out of this process's: the variables for plans,
// those that are named, and the system's.
func Environment(all []string, named []string) []string {
	var out []string
	for _, v := range all {
		name, _, ok := strings.Cut(v, "=")
		if ok && (strings.HasPrefix(name, VariablePrefix) || slices.Contains(named, name) ||
			systemVariables.MatchString(name)) {
			out = append(out, v)
		}
	}
	return out
}

// with adds a request's variables. The environment's stand last, and so are what counts.
func with(env []string, variables map[string]string) []string {
	out := make([]string, 0, len(env)+len(variables))
	for name, value := range variables {
		out = append(out, name+"="+value)
	}
	return append(out, env...)
}

// lookup finds a variable in an environment, as os.LookupEnv does: the last one counts.
func lookup(env []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, v := range slices.Backward(env) {
			if n, value, ok := strings.Cut(v, "="); ok && n == name {
				return value, true
			}
		}
		return "", false
	}
}

var variableName = regexp.MustCompile(`^` + VariablePrefix + `[A-Za-z0-9_]+$`)

// maxVariables bounds the names and values of a request's variables together, in bytes. They
// are addresses and names; a child's environment takes no more than 128 KiB for one on Linux,
// and a record has to be read back.
const maxVariables = 64 << 10

// checkVariables refuses names beyond the prefix: PATH or GODEBUG would change the run
// itself. It also refuses more than can be kept and handed on.
func checkVariables(variables map[string]string) error {
	total := 0
	for name, value := range variables {
		total += len(name) + len(value)
	}
	if total > maxVariables {
		return fmt.Errorf("variables: names and values have %d bytes; want at most %d", total, maxVariables)
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if !variableName.MatchString(name) {
			return fmt.Errorf("variables: %q does not begin with %s", name, VariablePrefix)
		}
		if strings.ContainsRune(variables[name], 0) {
			return fmt.Errorf("variables: the value of %s has a zero byte", name)
		}
	}
	return nil
}

// CheckRequestVariables refuses names that no request can set.
func CheckRequestVariables(names []string) error {
	for _, name := range names {
		if !variableName.MatchString(name) {
			return fmt.Errorf("%q does not begin with %s", name, VariablePrefix)
		}
	}
	return nil
}

// settable are the variables that requests may set. What the server's environment has is the
// server's: a request that replaced the address that a secret is sent to would receive the
// secret. Whoever has the webhook token only, which stands in addresses that many can read,
// sets none but those that are listed.
type settable struct {
	env    []string // the server's environment, as Environment makes it
	listed []string // names; nil if every name with the prefix may be set, but by webhooks
}

// refused is why a request must not set its variables; nil if it may.
func (v settable) refused(variables map[string]string, webhook bool) error {
	if err := checkVariables(variables); err != nil {
		return refuse(http.StatusBadRequest, "", "%w", err)
	}
	own := lookup(v.env)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		switch _, set := own(name); {
		case set:
			errs = append(errs, fmt.Errorf("variables: %s is set by the server, and a request must not replace it", name))
		case slices.Contains(v.listed, name):
		case webhook:
			errs = append(errs, fmt.Errorf("variables: a webhook must not set %s; list it in --request-variables, "+
				"if everybody with the webhook token may", name))
		case v.listed != nil:
			errs = append(errs, fmt.Errorf("variables: a request must not set %s; --request-variables does not list it", name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return refuse(http.StatusForbidden, "", "%w", err)
	}
	return nil
}
