package verdict

import (
	"fmt"
	"slices"
	"strings"
)

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Bytes writes a size for people: 4.0 KiB.
func Bytes(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

func listed(names []string) string {
	if n := len(names) - maxListed; n > 0 {
		names = append(slices.Clone(names[:maxListed]), fmt.Sprintf("%d more", n))
	}
	if len(names) <= 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// maxListed is how many names a sentence has.
const maxListed = 5

// lastTwo is a file with its folder, which is how people name it.
func lastTwo(file string) string {
	const parts = 2
	all := strings.Split(file, "/")
	return strings.Join(all[max(0, len(all)-parts):], "/")
}
