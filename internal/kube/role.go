package kube

import (
	"regexp"
	"strings"
	"text/template"
)

// roleText is a Role and its RoleBinding for each namespace, ready to apply.
const roleText = `{{range .}}---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{.Name}}
  namespace: {{.Namespace}}
rules:
{{- range .Rights}}
  - apiGroups: ["{{.Group}}"]
    resources: ["{{.Name}}"]
    verbs: [{{.Verbs}}]
{{- end}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{.Name}}
  namespace: {{.Namespace}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{.Name}}
subjects:
  - kind: {{.Subject.Kind}}
    name: {{printf "%q" .Subject.Name}}
{{- if .Subject.Namespace}}
    namespace: {{.Subject.Namespace}}
{{- else}}
    apiGroup: rbac.authorization.k8s.io
{{- end}}
{{end}}`

// Roles writes the Roles that grant some rights to a subject, with their RoleBindings, as
// YAML that kubectl apply takes. They are named after what they are for. The rights are all
// that a plan needs in a namespace, not only those that are missing: what is applied replaces
// what was there.
func Roles(what string, rights []Right, to Subject) string {
	type rule struct{ Group, Name, Verbs string }
	type role struct {
		Name      string
		Namespace string
		Rights    []rule
		Subject   Subject
	}
	var all []role
	for _, r := range Merge(rights) {
		if len(all) == 0 || all[len(all)-1].Namespace != r.Namespace {
			all = append(all, role{Name: roleName(what), Namespace: r.Namespace, Subject: to})
		}
		last := &all[len(all)-1]
		last.Rights = append(last.Rights, rule{r.Group, r.name(), `"` + strings.Join(r.Verbs, `", "`) + `"`})
	}
	var b strings.Builder
	// A template of our own and values without methods: it cannot fail.
	_ = template.Must(template.New("roles").Parse(roleText)).Execute(&b, all)
	return b.String()
}

// maxName is how long the name of an object may be, in bytes.
const maxName = 63

// notName is what the name of an object cannot have.
var notName = regexp.MustCompile(`[^a-z0-9]+`)

// roleName is the name of a Role for a plan.
func roleName(what string) string {
	name := "leakgate-" + strings.Trim(notName.ReplaceAllString(strings.ToLower(what), "-"), "-")
	return strings.TrimRight(name[:min(len(name), maxName)], "-")
}
