package report_test

import (
	_ "embed"
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/contrast.js
var contrast string

// In a browser that runs no script and has no network, the page looks as it should: every
// text stands out from what is behind it (WCAG 2.1, 1.4.3), nothing is cut off or wider
// than the window, and it prints on a handful of pages. What it looks like stays with the
// test's artefacts (go test -artifacts).
func TestBrowser(t *testing.T) {
	dir := t.ArtifactDir()
	file := filepath.Join(dir, "report.html")
	require.NoError(t, os.WriteFile(file, written(t, hospital(), "")["report.html"], 0o600))
	b := openBrowser(t)
	b.open("file://" + file)

	var seen struct {
		Texts int
		Bad   []string
		Wide  int
	}
	for _, scheme := range []string{"light", "dark"} {
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
		b.evaluate(contrast, &seen)
		require.Greater(t, seen.Texts, 300, "the texts of the page were looked at")
		require.Empty(t, seen.Bad, scheme)
		require.LessOrEqual(t, seen.Wide, 0, "it is wider than the window")
		var shot struct{ Data string }
		b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "report-"+scheme+".png"), decode(t, shot.Data), 0o600))
	}
	var pdf struct{ Data string }
	b.call("Page.printToPDF", map[string]any{"printBackground": true, "preferCSSPageSize": true}, &pdf)
	printed := decode(t, pdf.Data)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "report.pdf"), printed, 0o600))
	pages := len(regexp.MustCompile(`/Type ?/Page\b`).FindAll(printed, -1))
	require.GreaterOrEqual(t, pages, 5)
	require.LessOrEqual(t, pages, 14)
	t.Logf("%d texts, %d pages", seen.Texts, pages)

	require.Empty(t, b.trouble, "the page reported something")
	for _, url := range b.requests {
		require.True(t, strings.HasPrefix(url, "file://"+dir), "it asked for %s", url)
	}
	b.close()
}

func decode(t *testing.T, data string) []byte {
	text, err := base64.StdEncoding.DecodeString(data)
	require.NoError(t, err)
	return text
}
