package report_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// A browser is Debian's Chromium, spoken to over two pipes (Chrome DevTools Protocol).
type browser struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	session string
	id      int

	requests, trouble []string
	loaded            bool
}

// openBrowser starts one that has no network, with an empty page that will run no script.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI leaves nothing out: %v", err)
		}
		t.Skip("left out: Chromium is not installed (Debian: chromium)")
	}
	commands, in, err := os.Pipe()
	require.NoError(t, err)
	out, answers, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-default-browser-check",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--password-store=basic", "--no-proxy-server",
		"--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{commands, answers} // 3 and 4
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	require.NoError(t, cmd.Start())
	commands.Close()
	answers.Close()
	b := &browser{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		in.Close()
		out.Close()
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
	for _, domain := range []string{"Page", "Network", "Log", "Runtime"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// close ends it; what it wrote to its folders is done then.
func (b *browser) close() {
	b.session = ""
	b.call("Browser.close", nil, nil)
	b.cmd.Wait()
}

// open shows a page, and returns when it is there.
func (b *browser) open(url string) {
	b.t.Helper()
	b.loaded = false
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	for !b.loaded {
		b.read()
	}
}

// evaluate has the browser, not the page, compute something.
func (b *browser) evaluate(script string, into any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true}, &answer)
	require.Empty(b.t, string(answer.ExceptionDetails))
	require.NoError(b.t, json.Unmarshal(answer.Result.Value, into))
}

// call calls a method and waits for its answer.
func (b *browser) call(method string, params, into any) {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	require.NoError(b.t, err)
	_, err = b.in.Write(append(text, 0))
	require.NoError(b.t, err)
	for {
		answer := b.read()
		if answer.ID != b.id {
			continue
		}
		require.Empty(b.t, string(answer.Error), method)
		if into != nil {
			require.NoError(b.t, json.Unmarshal(answer.Result, into))
		}
		return
	}
}

type devtools struct {
	ID            int
	Method        string
	Result, Error json.RawMessage
	Params        struct {
		Request struct{ URL string }
		Entry   json.RawMessage
	}
}

// read reads a message, and notes what it tells of the page.
func (b *browser) read() devtools {
	b.t.Helper()
	text, err := b.out.ReadBytes(0)
	require.NoError(b.t, err)
	var m devtools
	require.NoError(b.t, json.Unmarshal(text[:len(text)-1], &m))
	switch m.Method {
	case "Network.requestWillBeSent":
		b.requests = append(b.requests, m.Params.Request.URL)
	case "Log.entryAdded":
		b.trouble = append(b.trouble, string(m.Params.Entry))
	case "Runtime.exceptionThrown":
		b.trouble = append(b.trouble, string(text))
	case "Page.loadEventFired":
		b.loaded = true
	}
	return m
}
