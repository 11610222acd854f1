package stacks

import (
	"bytes"
	"regexp"
	"strings"
)

// dump is a debug=2 dump as the library that parses it expects it: tabs where a
// person's copy has blanks, headers without labels.
type dump struct {
	text    []byte
	labels  map[string]map[string]string // by the goroutine's id
	headers int
	calls   int // lines that name a file
	cut     bool
}

var (
	dumpHeader = regexp.MustCompile(`^goroutine (\d+) (?:\S+=\S+ )*\[`)
	dumpFile   = regexp.MustCompile(`^\s+(\S.*:\d+(?: \+0x[0-9a-f]+)?(?: fp=\S+ sp=\S+ pc=\S+)?)$`)
)

// readDump prepares a dump. Go 1.26 writes labels into the brackets of a header where
// GODEBUG=tracebacklabels=1 asks for it, Go 1.27 after them:
//
//	goroutine 8 [chan receive, 2 minutes labels:{"peer": "[::1]:5432"}]:
//	goroutine 8 [chan receive, 2 minutes] {peer: "[::1]:5432"}:
func readDump(data []byte) dump {
	d := dump{labels: map[string]map[string]string{}, cut: !bytes.HasSuffix(data, []byte("\n"))}
	var out bytes.Buffer
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		bare := strings.TrimLeft(line, " \t")
		switch m := dumpHeader.FindStringSubmatch(bare); {
		case m != nil:
			d.headers++
			state, labels := splitHeader(bare[len(m[0]):])
			if len(labels) > 0 {
				d.labels[m[1]] = labels
			}
			bare = "goroutine " + m[1] + " [" + state + "]:"
		case dumpFile.MatchString(line):
			d.calls++
			bare = "\t" + bare
		}
		out.WriteString(bare)
		out.WriteByte('\n')
	}
	d.text = out.Bytes()
	return d
}

// splitHeader takes what follows a header's opening bracket apart: the state with the
// wait time, and the labels.
func splitHeader(text string) (state string, labels map[string]string) {
	end := strings.IndexByte(text, ']')
	inside := strings.Index(text, "labels:")
	if inside >= 0 && (end < 0 || inside < end) { // Go 1.26
		state = strings.TrimRight(text[:inside], " ,")
		labels, _, _ = readLabels(strings.TrimPrefix(strings.TrimLeft(text[inside+len("labels:"):], " "), "{"))
		return state, labels
	}
	if end < 0 {
		return strings.TrimRight(text, ":"), nil
	}
	if braces, ok := strings.CutPrefix(strings.TrimLeft(text[end+1:], " "), "{"); ok { // Go 1.27
		labels, _, _ = readLabels(braces)
	}
	return text[:end], labels
}
