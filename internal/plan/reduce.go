package plan

import (
	"bytes"
	"fmt"

	"gopkg.in/yaml.v3"
)

// sentKeys are the keys of a plan that sending its load takes; see sentBy. The others may
// hold credentials of targets, and a generator has no use for them.
var sentKeys = map[string]bool{"version": true, "name": true, "load": true, "safety": true}

// loadAlone is a plan's text with nothing but its load: no other keys, and no comments, which
// hold credentials that were once in use.
func loadAlone(text []byte) ([]byte, error) {
	var doc yaml.Node
	if err := document(yaml.NewDecoder(bytes.NewReader(text)), &doc); err != nil {
		return nil, fmt.Errorf("packing the plan's load: %w", err)
	}
	doc = yaml.Node{Kind: yaml.DocumentNode, Content: doc.Content}
	root := doc.Content[0]
	var kept []*yaml.Node
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := root.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if sentKeys[key.Value] {
			kept = append(kept, key, root.Content[i+1])
		}
	}
	root.Content = kept
	alone(root, map[*yaml.Node]bool{})
	out, err := yaml.Marshal(&doc)
	if err != nil {
		return nil, fmt.Errorf("packing the plan's load: %w", err)
	}
	return out, nil
}

// alone removes comments from a tree, and puts in what its aliases stand for where that was
// in a part of the plan that is gone. had are the anchors that came before.
func alone(n *yaml.Node, had map[*yaml.Node]bool) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	if n.Anchor != "" {
		had[n] = true
	}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		n.Style = yaml.DoubleQuotedStyle // in which white space stays as it is
	}
	for i, c := range n.Content {
		if c.Kind == yaml.AliasNode && !had[c.Alias] {
			c = c.Alias
			n.Content[i] = c
		}
		if c.Kind != yaml.AliasNode {
			alone(c, had)
			continue
		}
		c.HeadComment, c.LineComment, c.FootComment = "", "", ""
	}
}
