package kube

import (
	"strings"
	"text/template"
)

// roleText is a Role and its RoleBinding for each namespace, ready to apply.
const roleText = `{{range .}}---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: leakgate
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
  name: leakgate
  namespace: {{.Namespace}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: leakgate
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
// YAML that kubectl apply takes. The rights are all that a plan needs in a namespace, not only
// those that are missing: what is applied replaces what was there.
func Roles(rights []Right, to Subject) string {
	type rule struct{ Group, Name, Verbs string }
	type role struct {
		Namespace string
		Rights    []rule
		Subject   Subject
	}
	var all []role
	for _, r := range Merge(rights) {
		if len(all) == 0 || all[len(all)-1].Namespace != r.Namespace {
			all = append(all, role{Namespace: r.Namespace, Subject: to})
		}
		last := &all[len(all)-1]
		last.Rights = append(last.Rights, rule{r.Group, r.name(), `"` + strings.Join(r.Verbs, `", "`) + `"`})
	}
	var b strings.Builder
	// A template of our own and values without methods: it cannot fail.
	_ = template.Must(template.New("roles").Parse(roleText)).Execute(&b, all)
	return b.String()
}
