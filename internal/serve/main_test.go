package serve

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// fakeRun has this test binary play leakgate run, as what its plan asks for.
const fakeRun = "fake-run"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == fakeRun {
		os.Exit(playRun(os.Args[2:], os.Stdin, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// playRun does what the comment on the first line of a plan says: "# exit CODE", "# says
// OUTCOME" (a verdict beside that code), "# waits" (for the end of its input).
func playRun(args []string, in io.Reader, errOut io.Writer) int {
	text, err := os.ReadFile(args[0])
	if err != nil {
		fmt.Fprintln(errOut, "leakgate: error: "+err.Error())
		return 2
	}
	code, dir := 0, args[2]
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 2
	}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "#" {
			break
		}
		switch words[1] {
		case "exit":
			_, _ = fmt.Sscan(words[2], &code)
		case "says":
			v := fmt.Sprintf(`{"outcome": %q, "headline": "a headline",
				"findings": [{"class": "confirmed"}, {"class": "likely"}]}`, words[2])
			if err := os.WriteFile(filepath.Join(dir, verdictFile), []byte(v), 0o644); err != nil {
				return 2
			}
		case "error":
			fmt.Fprintln(errOut, "leakgate: error: "+strings.Join(words[2:], " "))
		case "environment":
			fmt.Fprintln(errOut, "leakgate: error: "+strings.Join(os.Environ(), " "))
		case "waits":
			_, _ = io.Copy(io.Discard, in)
			return codeInterrupted
		case "hangs":
			select {}
		}
	}
	return code
}
