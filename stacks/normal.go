package stacks

// normaliser turns raw frames into normal ones, each function once: the stacks
// of a profile share most of their functions.
type normaliser struct {
	root  string // the toolchain's folder, if it is known
	known map[Frame]normal
}

// normal is what a function is once its name is undone.
type normal struct {
	Frame
	runtime bool
}

// normalise undoes what the toolchain did to a function's name.
func normalise(f Frame, root string) normal {
	out := normal{Frame: f}
	out.Function = functionName(f.Function)
	out.runtime = isRuntime(out.Function)
	out.Module = moduleOf(f.File)
	out.Std = isStandard(out.Function, f.File, root)
	return out
}

func (n *normaliser) frame(f Frame) normal {
	line := f.Line
	f.Line = 0
	out, ok := n.known[f]
	if !ok {
		out = normalise(f, n.root)
		n.known[f] = out
	}
	out.Line = line
	return out
}

// stack normalises frames (innermost first, raw names) into a Stack with its
// key and state; the caller sets the count.
func (n *normaliser) stack(all []Frame) Stack {
	frames := make([]normal, len(all))
	for i, f := range all {
		frames[i] = n.frame(f)
	}
	return assemble(frames)
}

// assemble makes a Stack of normal frames, innermost first.
func assemble(all []normal) Stack {
	s := Stack{State: stateOf(innermost(all))}
	kept := 0
	for _, f := range all {
		if !f.runtime {
			kept++
		}
	}
	s.Frames = make([]Frame, 0, max(kept, 1))
	for _, f := range all {
		if !f.runtime {
			s.Frames = append(s.Frames, f.Frame)
		}
	}
	if kept == 0 { // a goroutine of the runtime itself, or one without frames
		for _, f := range all {
			f.Std = true
			s.Frames = append(s.Frames, f.Frame)
		}
	}
	s.Key = key(s.Frames)
	s.serving = servingOf(s.Frames)
	return s
}
