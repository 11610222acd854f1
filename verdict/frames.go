package verdict

import (
	"strings"

	"github.com/leakgate/leakgate/stacks"
)

// outermost is the declared function that a closure is in.
func outermost(function string) string {
	for {
		i := strings.LastIndexByte(function, '.')
		if i < 0 || !isClosure(function[i+1:]) {
			return function
		}
		function = function[:i]
	}
}

// isClosure reports whether the last part of a function's name is one that the
// compiler gave: func1, or the number of a closure within another.
func isClosure(part string) bool {
	digits := strings.TrimPrefix(part, "func")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

// entryOf is the function that a finding's goroutines were started with.
func entryOf(f Finding) string {
	if len(f.Stack) == 0 {
		return ""
	}
	return f.Stack[len(f.Stack)-1].Function
}

// receiver is the type of a method, with its package; empty for a function.
func receiver(function string) string {
	i := strings.LastIndex(function, ").")
	if i < 0 {
		return ""
	}
	return function[:i+1]
}

func blamed(s stacks.Stack) string {
	if i := stacks.Blame(s.Frames); i >= 0 {
		return s.Frames[i].Function
	}
	if s.Key == stacks.AllGoroutines {
		return s.Key
	}
	return stacks.NoFrames
}
