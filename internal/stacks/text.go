package stacks

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	textTotal  = regexp.MustCompile(`^goroutine profile: total (\d+)$`)
	textRecord = regexp.MustCompile(`^(\d+) @`)
	textFrame  = regexp.MustCompile(`^#\t0x[0-9a-f]+\t(.+)\+0x[0-9a-f]+\t+(.+):(\d+)$`)
	textLabels = regexp.MustCompile(`^# labels: (.*)$`)
)

// parseText reads the debug=1 form: records of a count and addresses, each
// followed by its frames as comments, runtime frames already left out (which
// is why it knows no wait state), and since Go 1.9 by its labels as JSON.
func parseText(data []byte) (*Profile, error) {
	var samples []Stack
	var frames []Frame
	var labels map[string]string
	count, total, sum := 0, -1, 0
	n := normaliser{known: map[Frame]normal{}}
	flush := func() {
		if count > 0 {
			if n.root == "" {
				n.root = textGoroot(frames)
			}
			s := n.stack(frames)
			s.State = "" // debug=1 has none
			s.Count = count
			for k, v := range labels {
				s.label(k+"="+v, count)
			}
			samples = append(samples, s)
		}
		frames, labels, count = nil, nil, 0
	}
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, 1<<20)
	for at := 1; sc.Scan(); at++ {
		line := strings.TrimRight(sc.Text(), "\r")
		if m := textTotal.FindStringSubmatch(line); m != nil {
			total, _ = strconv.Atoi(m[1])
		} else if m := textRecord.FindStringSubmatch(line); m != nil {
			flush()
			c, err := strconv.Atoi(m[1])
			if err != nil {
				return nil, fmt.Errorf("line %d: count %q: %w", at, m[1], err)
			}
			count = c
			sum += c
		} else if m := textFrame.FindStringSubmatch(line); m != nil {
			line, _ := strconv.Atoi(m[3])
			frames = append(frames, Frame{Function: m[1], File: m[2], Line: line})
		} else if m := textLabels.FindStringSubmatch(line); m != nil {
			if err := json.Unmarshal([]byte(m[1]), &labels); err != nil {
				return nil, fmt.Errorf("line %d: labels %.60q: %w", at, m[1], err)
			}
		}
	}
	flush()
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("reading text profile: %w", err)
	}
	if total != sum {
		return nil, fmt.Errorf("%w: it says total %d, its records hold %d: truncated?", ErrInconsistent, total, sum)
	}
	return collect(samples), nil
}

// textGoroot finds the toolchain's folder from a frame whose function is
// surely the standard library's: its import path ends its file's folder.
func textGoroot(frames []Frame) string {
	for _, f := range frames {
		pkg := packagePath(f.Function)
		first, _, _ := strings.Cut(pkg, "/")
		if !standard[first] {
			continue
		}
		if i := strings.LastIndex(f.File, "/src/"+pkg+"/"); i > 0 {
			return f.File[:i]
		}
	}
	return ""
}
