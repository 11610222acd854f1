package serve

import (
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/internal/report"
)

// reportNames are the files of a run that are served: nothing else of it, and no path.
func reportNames() []string {
	var out []string
	for name := range report.Files() {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// contentType is that of a report, which no system's table decides.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".json", ".sarif":
		return "application/json"
	case ".xml":
		return "application/xml"
	case ".md":
		return "text/markdown; charset=utf-8"
	}
	return "application/octet-stream"
}

// reportPolicy is for report.html, which has a policy of its own that names its scripts;
// both count. In a sandbox it has no origin, and so reads nothing else of this server.
const reportPolicy = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; " +
	"style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// reports are those that a run has.
func (s *Server) reports(id string) []string {
	return slices.DeleteFunc(reportNames(), func(name string) bool {
		info, err := s.store.root.Stat(filepath.Join(id, outDir, name))
		return err != nil || !info.Mode().IsRegular()
	})
}

// maxReport is how long a report may be that is served, in bytes.
const maxReport = maxVerdict

// getReport serves a report of a run that has finished.
func (s *Server) getReport(w http.ResponseWriter, r *http.Request) {
	id, name := r.PathValue("id"), r.PathValue("report")
	run, _, err := s.get(id)
	if err != nil {
		s.fail(w, err)
		return
	}
	if !slices.Contains(reportNames(), name) || run.State != Finished {
		s.noReport(w, run)
		return
	}
	f, err := input.Open(s.store.root, filepath.Join(run.ID, outDir, name), maxReport)
	if errors.Is(err, fs.ErrNotExist) {
		s.noReport(w, run)
		return
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	defer f.Close()
	serveReport(w, r, name, f)
}

func serveReport(w http.ResponseWriter, r *http.Request, name string, f *os.File) {
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": name}))
	if path.Ext(name) == ".html" {
		h.Set("Content-Security-Policy", reportPolicy)
	}
	info, err := f.Stat()
	if err != nil {
		http.Error(w, "the report cannot be read", http.StatusInternalServerError)
		return
	}
	http.ServeContent(w, r, name, info.ModTime(), f)
}

func (s *Server) noReport(w http.ResponseWriter, r Run) {
	hint := "the run's links name those that it has"
	if r.State != Finished {
		hint = "there are none before the run has finished"
	}
	writeError(w, http.StatusNotFound, "no such report", hint)
}
