package stacks

import "github.com/leakgate/leakgate/internal/budget"

// NewStack returns a stack of so many goroutines that a caller describes rather than
// parses. Frames are innermost first, with names as a profile has them: the stack is
// normalised in the same way, and gets its Key and State from them.
func NewStack(count int, frames ...Frame) Stack {
	root := ""
	for _, f := range frames {
		if found, ok := goroot(f.Function, f.File); ok {
			root = found
			break
		}
	}
	n := normaliser{root: root, known: map[Frame]normal{}}
	s := n.stack(frames)
	s.Count = count
	return s
}

// NewProfile returns the profile that has these stacks. Stacks at the same place become
// one, and stacks without goroutines are left out.
func NewProfile(all ...Stack) *Profile {
	counted := make([]Stack, 0, len(all))
	for _, s := range all {
		if s.Count > 0 {
			counted = append(counted, s)
		}
	}
	return collect(counted, 0)
}

// Budget bounds the memory that several Readers may use together. A nil Budget is
// unlimited.
type Budget = budget.Budget

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes int64) *Budget { return budget.New(bytes) }
