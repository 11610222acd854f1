package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// acceptedHead opens a file of rules that leakgate writes.
const acceptedHead = `# Growth that is known and accepted: leakgate does not fail because of it. A plan
# reads this file with policy: {ignore_file: FILE}. Give every rule an owner and a
# last day (until: YYYY-MM-DD), and delete it when the leak is fixed.
`

// Accept appends rules to a file of rules, which is made if it is not there. What
// the file says already stays as it is; rules that match the same, and still hold, are not added
// again. It returns those that were added. A file that is something else, a plan
// for instance, is refused and left alone.
func Accept(file string, rules []Ignore, today time.Time) ([]Ignore, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		text = []byte(acceptedHead)
	} else if err != nil {
		return nil, fmt.Errorf("reading rules: %w", err)
	}
	had, problems := (&decoder{file: file, partial: judgedBy}).parseRules(text)
	if len(problems) > 0 {
		// Not wrapped: the problems alone would not say what for.
		return nil, fmt.Errorf("nothing written: %s is not a list of ignore rules: %v", file, problems)
	}
	var added []Ignore
	for _, r := range rules {
		known := func(o Ignore) bool {
			return r.same(o) && o.Max == 0 && (o.Until == "" || string(o.Until) >= today.Format(time.DateOnly))
		}
		if !slices.ContainsFunc(slices.Concat(had, added), known) {
			added = append(added, r)
		}
	}
	if len(added) == 0 {
		return nil, nil
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	more, err := yaml.Marshal(nodes(added))
	if err != nil {
		return nil, fmt.Errorf("writing rules: %w", err)
	}
	text = append(text, more...)
	if now, problems := (&decoder{file: file, partial: judgedBy}).parseRules(text); len(problems) > 0 ||
		len(now) != len(had)+len(added) {
		return nil, fmt.Errorf("leakgate cannot append to %s: it is not a list with a dash per rule", file)
	}
	if err := replaceFile(file, text); err != nil {
		return nil, err
	}
	return added, nil
}

// replaceFile writes beside the file first, so that it is never half written.
func replaceFile(file string, text []byte) error {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, text, mode); err != nil {
		return fmt.Errorf("writing rules: %w", err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return errors.Join(fmt.Errorf("writing rules: %w", err), os.Remove(tmp))
	}
	return nil
}

// same reports whether two rules match the same.
func (i Ignore) same(o Ignore) bool {
	return i.Function == o.Function && i.Frame == o.Frame && i.CreatedBy == o.CreatedBy && i.Label == o.Label
}

// nodes writes rules without their empty keys.
func nodes(rules []Ignore) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, r := range rules {
		n := &yaml.Node{Kind: yaml.MappingNode}
		add := func(k, v, tag string) {
			if v != "" {
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: k},
					&yaml.Node{Kind: yaml.ScalarNode, Value: strings.ReplaceAll(v, "${", "$${"), Tag: tag})
			}
		}
		add("function", r.Function, "!!str")
		add("frame", r.Frame, "!!str")
		add("created_by", r.CreatedBy, "!!str")
		add("label", r.Label, "!!str")
		add("reason", r.Reason, "!!str")
		add("owner", r.Owner, "!!str")
		add("until", string(r.Until), "!!str")
		if r.Max > 0 {
			add("max", fmt.Sprint(r.Max), "!!int")
		}
		list.Content = append(list.Content, n)
	}
	return list
}
