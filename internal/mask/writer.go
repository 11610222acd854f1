package mask

import (
	"io"
	"sync"
)

// Writer masks a stream as Data does. What may be the beginning of a secret is held back
// until the next bytes tell.
type Writer struct {
	to   io.Writer
	mask *Mask

	mu   sync.Mutex
	held []byte
}

// Writer masks what goes to w.
func (m *Mask) Writer(w io.Writer) *Writer { return &Writer{to: w, mask: m} }

// Unwrap is where it writes to.
func (w *Writer) Unwrap() io.Writer { return w.to }

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mask == nil {
		return w.to.Write(p)
	}
	b := w.mask.Data(append(w.held, p...))
	n := w.mask.known.Load().strong.begun(b)
	w.held = append([]byte(nil), b[len(b)-n:]...)
	if _, err := w.to.Write(b[:len(b)-n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is held back.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.to.Write(w.held)
	w.held = nil
	return err
}
