// Package section keeps the measured parts of a document: text between two markers
// that a command writes.
package section

import (
	"fmt"
	"os"
	"strings"
)

// Replace puts text between the markers of command in a Markdown file. A file
// without them is an error, and stays as it is.
func Replace(file, command, text string) error {
	begin, end := "<!-- begin: "+command+" -->", "<!-- end: "+command+" -->"
	old, err := os.ReadFile(file) // a document that the caller names
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %q and %q", file, begin, end)
	}
	return os.WriteFile(file, []byte(head+begin+"\n\n"+text+"\n"+end+tail), 0o644) // a document
}
