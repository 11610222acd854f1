package serve

import (
	"fmt"
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

// with adds a request's variables, which come before the environment's.
func with(env []string, variables map[string]string) []string {
	out := slices.Clone(env)
	for name, value := range variables {
		out = append(out, name+"="+value)
	}
	return out
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

// checkVariables refuses names beyond the prefix: PATH or GODEBUG would change the run
// itself.
func checkVariables(variables map[string]string) error {
	names := make([]string, 0, len(variables))
	for name := range variables {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !variableName.MatchString(name) {
			return fmt.Errorf("variables: %q does not begin with %s", name, VariablePrefix)
		}
		if strings.ContainsRune(variables[name], 0) {
			return fmt.Errorf("variables: the value of %s has a zero byte", name)
		}
	}
	return nil
}
