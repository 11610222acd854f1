//go:build chromium

package report

import (
	"cmp"
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
	if err := chromedp.Run(ctx); err != nil {
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

func newVisit(t *testing.T, browser context.Context, setup ...chromedp.Action) *visit {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	v := &visit{Context: ctx}
	chromedp.ListenTarget(ctx, func(e any) {
		v.mu.Lock()
		defer v.mu.Unlock()
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			v.complaints = append(v.complaints, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			v.complaints = append(v.complaints, fmt.Sprintf("console.%s", e.Type))
		case *cdplog.EventEntryAdded:
			v.complaints = append(v.complaints, e.Entry.Text)
		case *network.EventRequestWillBeSent:
			v.requests = append(v.requests, e.Request.URL)
		}
	})
	if err := chromedp.Run(ctx, append([]chromedp.Action{network.Enable(), cdplog.Enable()}, setup...)...); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *visit) run(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(v, actions...); err != nil {
		t.Fatal(err)
	}
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
			var closed, wide, buttons, blocks, drawn, charts, figures int
			tab.run(t, chromedp.EmulateViewport(360, 740), chromedp.Navigate(page),
				chromedp.Evaluate(openAll, &closed), chromedp.Evaluate(tooWide, &wide),
				chromedp.Evaluate(`document.querySelectorAll(".paste button").length`, &buttons),
				chromedp.Evaluate(`document.querySelectorAll(".paste").length`, &blocks),
				chromedp.Evaluate(`document.querySelectorAll("figure").length`, &figures),
			)
			if closed != 0 || wide > 0 || buttons != blocks {
				t.Errorf("%d details stay closed, %d pixels too wide, %d of %d blocks have a button", closed, wide, buttons, blocks)
			}
			if figures > 0 {
				tab.run(t, chromedp.ScrollIntoView("figure"), chromedp.WaitVisible("figure .uplot"),
					chromedp.Evaluate(`document.querySelectorAll("figure .uplot").length`, &drawn),
					chromedp.Evaluate(`document.querySelectorAll("figure.live").length`, &charts))
				if drawn != charts || drawn == 0 {
					t.Errorf("%d charts drawn, %d shown", drawn, charts)
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
		var want, got string
		tab.run(t,
			chromedp.Evaluate(`window.got = ""; navigator.clipboard.writeText = text => { window.got = text; return Promise.resolve(); }; 0`, nil),
			chromedp.Text(block+" pre", &want), chromedp.ScrollIntoView(block+" button"), chromedp.Click(block+" button"),
			chromedp.Poll(fmt.Sprintf(`document.querySelector(%q).textContent === "Copied"`, block+" button"), nil),
			chromedp.Evaluate(`window.got`, &got),
		)
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
		tab := newVisit(t, b, emulation.SetScriptExecutionDisabled(true))
		var buttons, canvases, drawings, figures, wide int
		tab.run(t, chromedp.EmulateViewport(360, 740), chromedp.Navigate(page),
			chromedp.Evaluate(`document.querySelectorAll("button").length`, &buttons),
			chromedp.Evaluate(`document.querySelectorAll("canvas").length`, &canvases),
			chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = true); [...document.querySelectorAll("figure svg")].filter(s => s.getBoundingClientRect().height > 100).length`, &drawings),
			chromedp.Evaluate(`document.querySelectorAll("figure").length`, &figures), chromedp.Evaluate(tooWide, &wide))
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
	var skip, outline, hash string
	var open, revealed bool
	tab.run(t, chromedp.Navigate("file://"+filepath.ToSlash(file)), chromedp.KeyEvent("\t"),
		chromedp.Evaluate(`document.activeElement.className`, &skip),
		chromedp.Evaluate(`getComputedStyle(document.activeElement).outlineStyle`, &outline),
		chromedp.KeyEvent("\r"), chromedp.Evaluate(`location.hash`, &hash),
		chromedp.Evaluate(`document.querySelector("details.runbook > summary").focus()`, nil), chromedp.KeyEvent("\r"),
		chromedp.Evaluate(`document.querySelector("details.runbook").open`, &open),
		chromedp.Evaluate(`location.hash = "#finding-150"; 0`, nil), chromedp.Poll(`document.getElementById("finding-150").open`, &revealed),
	)
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
			tab := newVisit(t, b, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}))
			var png []byte
			script := "0"
			if look.open {
				script = `document.querySelectorAll("details.runbook").forEach((d, i) => d.open = i < 1); document.querySelectorAll("details.more, details.folded").forEach((d, i) => d.open = i < 3); 0`
			}
			tab.run(t, chromedp.EmulateViewport(look.width, 900), chromedp.Navigate("file://"+filepath.ToSlash(file)), chromedp.Evaluate(script, nil),
				chromedp.Evaluate(`document.querySelectorAll("figure").forEach(f => f.scrollIntoView()); 0`, nil), chromedp.Sleep(300*time.Millisecond),
				chromedp.FullScreenshot(&png, 100))
			if err := os.WriteFile(filepath.Join(dir, cmp.Or(name, "page")+"-"+look.name+".png"), png, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
