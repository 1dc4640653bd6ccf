package file_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/file"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

func records(from, to int64) (batch []deliver.Record) {
	for seq := from; seq <= to; seq++ {
		batch = append(batch, deliver.Record{
			Entry:  audit.Entry{Seq: seq, At: time.Unix(1763761922, 0), Event: audit.Event{Action: "token.create", Actor: "a\nb", Outcome: "ok"}},
			Source: atna.Source{Origin: "hospital.example/log"},
		})
	}
	return batch
}

// lines returns the numbers of the entries in a file; -1 is for what is none.
func lines(t *testing.T, path string) (all []int64) {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var e struct{ Seq int64 }
		if json.Unmarshal(s.Bytes(), &e) != nil {
			e.Seq = -1
		}
		all = append(all, e.Seq)
	}
	return all
}

// A record is a line. A file that was moved away is made anew, and a line that somebody
// died in spoils no other one.
func TestSend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	s, err := file.New(path)
	require.NoError(t, err)
	send := func(from, to int64) {
		t.Helper()
		n, err := s.Send(t.Context(), records(from, to))
		require.NoError(t, err)
		require.EqualValues(t, to-from+1, n)
	}
	send(1, 2)
	send(3, 3)
	require.Equal(t, []int64{1, 2, 3}, lines(t, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	require.NoError(t, os.Rename(path, path+".1"))
	send(4, 5)
	require.Equal(t, []int64{1, 2, 3}, lines(t, path+".1"))
	require.Equal(t, []int64{4, 5}, lines(t, path))
	require.NoError(t, os.Rename(path, path+".2"))
	require.NoError(t, os.WriteFile(path, nil, 0o600)) // as logrotate does with create
	send(6, 6)
	require.Equal(t, []int64{4, 5}, lines(t, path+".2"))
	require.Equal(t, []int64{6}, lines(t, path))
	require.NoError(t, s.Close())

	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"seq":7,"at`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	send(7, 8)
	require.Equal(t, []int64{6, -1, 7, 8}, lines(t, path))
	require.NoError(t, s.Close())
}

// What is no file, or cannot be made, is not written to, and nothing is taken.
func TestTrouble(t *testing.T) {
	_, err := file.New("audit.jsonl")
	require.Error(t, err)
	dir := t.TempDir()
	for name, make := range map[string]func(path string) error{
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a link":   func(path string) error { return os.Symlink("/dev/null", path) },
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, make(path))
		s, err := file.New(path)
		require.NoError(t, err)
		n, err := s.Send(t.Context(), records(1, 1))
		require.Error(t, err, name)
		require.Zero(t, n)
	}
	s, err := file.New("/dev/full")
	require.NoError(t, err)
	n, err := s.Send(t.Context(), records(1, 1))
	require.Error(t, err)
	require.Zero(t, n)
	s, err = file.New(filepath.Join(dir, "none", "audit.jsonl"))
	require.NoError(t, err)
	_, err = s.Send(t.Context(), records(1, 1))
	require.ErrorIs(t, err, os.ErrNotExist)
}
