//go:build chromium

package report

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser starts a headless Chromium, or skips the test where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	bin := ""
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			bin = found
			break
		} else if !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, fs.ErrNotExist) && name != "" {
			t.Fatal(err)
		}
	}
	if bin == "" {
		t.Skip("no chromium: install it (apt-get install chromium) or name it in CHROMIUM")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(bin), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true),
	)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeBrowser := chromedp.NewContext(ctx)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s: %v", bin, err)
	}
	return ctx
}

// visit is a tab, with what it complained about and asked for.
type visit struct {
	context.Context
	mu         sync.Mutex
	complaints []string
	requests   []string
}

func newVisit(t *testing.T, browser context.Context) *visit {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	v := &visit{Context: ctx}
	if err := chromedp.Listen(ctx, v.hear); err != nil {
		t.Fatal(err)
	}
	call(t, v, network.Enable, network.EnableParams{})
	call(t, v, cdplog.Enable, cdp.Empty{})
	return v
}

func (v *visit) hear(e any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		v.complaints = append(v.complaints, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		v.complaints = append(v.complaints, fmt.Sprintf("console.%s", e.Type))
	case *cdplog.EventEntryAdded:
		v.complaints = append(v.complaints, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		v.requests = append(v.requests, e.Request.URL)
	}
}

// patience bounds what one step in the browser may take.
const patience = time.Minute

func call[P, R any](t *testing.T, v *visit, c cdp.Command[P, R], params P) {
	t.Helper()
	if _, err := chromedp.Call(v, c, params); err != nil {
		t.Fatal(err)
	}
}

// do runs one step and returns its value.
func do[T any](t *testing.T, v *visit, a chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(v, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eval is the value of an expression in the page.
func eval[T any](t *testing.T, v *visit, expression string) T {
	t.Helper()
	return do(t, v, chromedp.Evaluate[T](expression))
}

// open shows a page in a window of this width.
func (v *visit) open(t *testing.T, page string, width int64) {
	t.Helper()
	do(t, v, chromedp.EmulateViewport(width, 800))
	do(t, v, chromedp.Navigate(page))
}

// quiet holds a page to its promise: no complaint, and no request but for itself.
func (v *visit) quiet(t *testing.T, page string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range v.complaints {
		t.Errorf("%s: the browser complains: %s", page, c)
	}
	for _, r := range v.requests {
		if r != page && r != "data:," {
			t.Errorf("%s asked for %s", page, r)
		}
	}
	if !slices.Contains(v.requests, page) {
		t.Errorf("%s was never loaded: %v", page, v.requests)
	}
}

const (
	openAll = `document.querySelectorAll("details:not([open]) > summary").forEach(s => s.click()); document.querySelectorAll("details:not([open])").length`
	// The page itself must never be wider than the window.
	tooWide = `document.documentElement.scrollWidth - document.documentElement.clientWidth`
)

// Every page, as a file and from a server: it is quiet, everything opens, every
// button copies, and nothing sticks out of a phone's screen.
func TestPagesInChromium(t *testing.T) {
	b := browser(t)
	dir := t.TempDir()
	all := pages()
	for name, v := range fixtures() {
		all["small-"+name] = v
	}
	for i, a := range attacks {
		all[fmt.Sprintf("hostile-%d", i)] = hostile(a)
	}
	for name, v := range all {
		if err := os.WriteFile(filepath.Join(dir, name+".html"), []byte(rendered(t, v)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for name, v := range all {
		page := "file://" + filepath.ToSlash(filepath.Join(dir, name+".html"))
		if name == "fail" || name == "small-pass" {
			page = server.URL + "/" + name + ".html"
		}
		t.Run(name, func(t *testing.T) {
			tab := newVisit(t, b)
			tab.open(t, page, 360)
			if closed, wide := eval[int](t, tab, openAll), eval[int](t, tab, tooWide); closed != 0 || wide > 0 {
				t.Errorf("%d details stay closed, %d pixels too wide", closed, wide)
			}
			if missing := eval[int](t, tab, `document.querySelectorAll(".paste:not(:has(button))").length`); missing != 0 {
				t.Errorf("%d commands have no button", missing)
			}
			if eval[int](t, tab, `document.querySelectorAll("figure").length`) > 0 {
				do(t, tab, chromedp.ScrollIntoView(chromedp.CSS("figure")))
				do(t, tab, chromedp.WaitVisible(chromedp.CSS("figure .uplot")))
				if idle := eval[int](t, tab, `document.querySelectorAll("figure.live:not(:has(.uplot)), figure:not(.live):has(.uplot)").length`); idle != 0 {
					t.Errorf("%d charts are neither drawing nor chart", idle)
				}
			}
			if len(v.Findings) > 0 {
				copies(t, tab)
			}
			tab.quiet(t, page)
		})
	}
}

// copies clicks a command's button and a ticket's, and looks at what arrived.
func copies(t *testing.T, tab *visit) {
	t.Helper()
	for _, block := range []string{"#dig ~ .commands .paste", ".runbook .paste:has(.ticket)"} {
		eval[int](t, tab, `window.got = ""; navigator.clipboard.writeText = text => { window.got = text; return Promise.resolve(); }; 0`)
		want := do(t, tab, chromedp.TextContent(chromedp.CSS(block+" pre")))
		do(t, tab, chromedp.ScrollIntoView(chromedp.CSS(block+" button")))
		do(t, tab, chromedp.Click(chromedp.CSS(block+" button")))
		do(t, tab, chromedp.Poll[bool](fmt.Sprintf(`document.querySelector(%q).textContent === "Copied"`, block+" button")))
		got := eval[string](t, tab, `window.got`)
		if strings.TrimSpace(want) != strings.TrimSpace(got) || got == "" {
			t.Errorf("%s: the button copies %q, want %q", block, got, want)
		}
	}
}

// Without scripts the text is complete, and the drawings stand in for the charts.
func TestPagesWithoutScripts(t *testing.T) {
	b := browser(t)
	for name, v := range pages() {
		file := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(file, []byte(rendered(t, v)), 0o600); err != nil {
			t.Fatal(err)
		}
		page := "file://" + filepath.ToSlash(file)
		tab := newVisit(t, b)
		call(t, tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		tab.open(t, page, 360)
		buttons := eval[int](t, tab, `document.querySelectorAll("button").length`)
		canvases := eval[int](t, tab, `document.querySelectorAll("canvas").length`)
		figures := eval[int](t, tab, `document.querySelectorAll("figure").length`)
		drawings := eval[int](t, tab, `document.querySelectorAll("details").forEach(d => d.open = true); [...document.querySelectorAll("figure svg")].filter(s => s.getBoundingClientRect().height > 100).length`)
		wide := eval[int](t, tab, tooWide)
		if buttons != 0 || canvases != 0 || drawings != figures || wide > 0 {
			t.Errorf("%s without scripts: %d buttons, %d canvases, %d of %d drawings, %d pixels too wide", name, buttons, canvases, drawings, figures, wide)
		}
		tab.quiet(t, page)
	}
}

// With the keyboard alone: the first stop skips to the report, and details open.
func TestKeyboardInChromium(t *testing.T) {
	file := filepath.Join(t.TempDir(), "findings.html")
	if err := os.WriteFile(file, []byte(rendered(t, pages()["findings"])), 0o600); err != nil {
		t.Fatal(err)
	}
	tab := newVisit(t, browser(t))
	tab.open(t, "file://"+filepath.ToSlash(file), 1000)
	do(t, tab, chromedp.KeyEvent("\t"))
	skip := eval[string](t, tab, `document.activeElement.className`)
	outline := eval[string](t, tab, `getComputedStyle(document.activeElement).outlineStyle`)
	do(t, tab, chromedp.KeyEvent("\r"))
	hash := do(t, tab, chromedp.Poll[string](`location.hash`))
	eval[int](t, tab, `document.querySelector("details.runbook > summary").focus(); 0`)
	do(t, tab, chromedp.KeyEvent("\r"))
	open := do(t, tab, chromedp.Poll[bool](`document.querySelector("details.runbook").open`))
	eval[int](t, tab, `location.hash = "#finding-150"; 0`)
	revealed := do(t, tab, chromedp.Poll[bool](`document.getElementById("finding-150").open`))
	if skip != "skip" || outline == "none" || hash != "#main" || !open || !revealed {
		t.Errorf("first stop %q with outline %q leads to %q; a runbook opens: %v; a link opens its finding: %v", skip, outline, hash, open, revealed)
	}
}

// Screenshots of every page go to SCREENSHOTS, for a person to look at.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		t.Skip("SCREENSHOTS names no directory")
	}
	b := browser(t)
	for name, v := range pages() {
		file := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(file, []byte(rendered(t, v)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, look := range []struct {
			name   string
			width  int64
			scheme string
			open   bool
		}{{"light", 1100, "light", false}, {"dark", 1100, "dark", false}, {"narrow", 360, "light", false}, {"open", 1100, "dark", true}, {"narrow-open", 360, "dark", true}} {
			tab := newVisit(t, b)
			call(t, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}})
			tab.open(t, "file://"+filepath.ToSlash(file), look.width)
			if look.open {
				eval[int](t, tab, `document.querySelectorAll("details.runbook").forEach((d, i) => d.open = i < 1); document.querySelectorAll("details.more, details.folded").forEach((d, i) => d.open = i < 3); 0`)
			}
			for i := range eval[int](t, tab, `document.querySelectorAll("figure").length`) {
				eval[int](t, tab, fmt.Sprintf(`document.querySelectorAll("figure")[%d].scrollIntoView(); 0`, i))
				do(t, tab, chromedp.Sleep(50*time.Millisecond))
			}
			if pdf := filepath.Join(dir, name+".pdf"); look.name == "dark" {
				if err := os.WriteFile(pdf, do(t, tab, chromedp.PrintToPDF()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			png := do(t, tab, chromedp.FullScreenshot(100))
			if err := os.WriteFile(filepath.Join(dir, name+"-"+look.name+".png"), png, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
