package server

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/store/audit/journal"
)

// Who went beyond his share is told until when, and that the archive is full is another
// answer.
func TestRecordsBounded(t *testing.T) {
	for status, bounds := range map[int]archive.Bounds{
		http.StatusTooManyRequests:     {Journals: 1},
		http.StatusInsufficientStorage: {Total: 1},
	} {
		f := newServer(t, nil)
		f.receivesWithin(bounds)
		first := f.keeper(t, "gateway/icu")
		k := &keeper{t: t, own: first.own, cfg: first.cfg} // the same machine, after it lost its disk
		k.cfg.Dir = filepath.Join(t.TempDir(), "journal")
		k.open()
		t.Cleanup(func() { k.Close() })
		first.keep(1)
		k.keep(1)
		first.shipper(f, f.client(*first.own)).Once(t.Context())
		b, err := k.Batch(t.Context(), journal.Ends{})
		require.NoError(t, err)
		body, err := b.Encode()
		require.NoError(t, err)
		resp, err := f.client(*k.own).Post(f.urls.https+"/v1/records", mediaBatch, bytes.NewReader(body))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, status, resp.StatusCode)
		require.NotEmpty(t, resp.Header.Get("Retry-After"))
	}
}

// What is not said of the archive has a bound all the same.
func TestArchiveBounds(t *testing.T) {
	for text, want := range map[string]archive.Bounds{
		"":                             {Journals: 24, Daily: 2 << 30, Total: -1},
		"daily_bytes = 0":              {Journals: 24, Total: -1},
		"daily_bytes = 1048576":        {Journals: 24, Daily: 1 << 20, Total: -1},
		"max_bytes = 0":                {Journals: 24, Daily: 2 << 30},
		"max_bytes = 9000000000000000": {Journals: 24, Daily: 2 << 30, Total: 9e15},
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte("[archive]\n"+text+"\n"), 0o600))
		c, err := ReadConfig(dir)
		require.NoError(t, err, text)
		if want.Total < 0 {
			disk, err := DiskOf(dir)
			require.NoError(t, err)
			want.Total = int64(disk.Size / 2)
		}
		require.Equal(t, want, c.ArchiveBounds(), text)
	}
	for _, text := range []string{"max_bytes = 1000", "daily_bytes = -1", `max_bytes = "much"`} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte("[archive]\n"+text+"\n"), 0o600))
		_, err := ReadConfig(dir)
		require.Error(t, err, text)
	}
}
