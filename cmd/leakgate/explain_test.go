package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/leakgate/leakgate/verdict"
)

func explained() verdict.Verdict {
	of := func(id, target, function string) verdict.Explanation {
		return verdict.Explanation{ID: id, Target: target, Function: function, Class: "leak", Reason: "it grew", Windows: []verdict.Seen{{}, {Low: 9, Middle: 9, High: 9}}}
	}
	return verdict.Verdict{
		Outcome: verdict.Fail, Plan: "shop", Headline: "it leaks", Targets: []verdict.Target{{Name: "shop-0"}, {Name: "shop-1"}},
		Explanations: []verdict.Explanation{
			of("3f2a9c1d", "shop-0", "main.(*Shop).quote"), of("3f2a9c1d", "shop-1", "main.(*Shop).quote"), of("77c0ffee", "shop-0", "main.(*Pool).worker"),
		},
	}
}

func TestExplainCommand(t *testing.T) {
	for _, c := range []struct {
		name, stack  string
		o            explainOptions
		code         int
		out, message string // parts of what is printed, and of the error or its hint
	}{
		{"all", "", explainOptions{format: "text"}, 0, "77c0ffee", ""},
		{"all of a target", "", explainOptions{format: "text", target: "shop-1"}, 0, "3f2a9c1d", ""},
		{"a stack", "77c0", explainOptions{format: "text"}, 0, "Taken for a leak", ""},
		{"a stack for scripts", "77c0", explainOptions{format: "json"}, 0, `"id": "77c0ffee"`, ""},
		{"a stack of two targets", "3f2a9c1d", explainOptions{format: "text"}, exitUsage, "shop-1", `--target "shop-0"`},
		// Its twin names the target.
		{"a stack of one of them", "3f2a9c1d", explainOptions{format: "text", target: "shop-0"}, 0, "on shop-0", ""},
		{"several functions", "main.", explainOptions{format: "text", target: "shop-0"}, exitUsage, "77c0ffee", "name one by its id, as in 3f2a9c1d"},
		{"several, for scripts", "main.", explainOptions{format: "json"}, exitUsage, "", "3 stacks of this run fit"},
		{"none", "nowhere", explainOptions{format: "text"}, exitUsage, "", "leakgate explain out lists them"},
		{"no such target", "", explainOptions{format: "text", target: "cart"}, exitUsage, "", `its targets are "shop-0", "shop-1"`},
	} {
		var out bytes.Buffer
		a := &app{out: &out, errOut: &bytes.Buffer{}, env: func(string) (string, bool) { return "", false }}
		err := a.explain(explained(), "out", c.stack, c.o)
		var e *exit
		code, message := 0, ""
		if errors.As(err, &e) {
			code, message = e.code, e.Error()+"; "+e.hint
		}
		if code != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(message, c.message) || c.code == 0 && err != nil {
			t.Errorf("%s: %d %q, printed:\n%s\nwant %d, %q and %q", c.name, code, message, out.String(), c.code, c.message, c.out)
		}
		if c.out == "" && out.Len() > 0 {
			t.Errorf("%s prints %s", c.name, out.String())
		}
	}
}
