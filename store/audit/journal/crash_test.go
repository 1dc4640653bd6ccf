package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// Killed at any moment under load, a journal opens again, verifies, and has every entry
// that it had accepted, lazy or not, in their one place.
func TestKill(t *testing.T) {
	if dir := os.Getenv("BETONICA_KILLED"); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	for _, lazy := range []string{"", "lazy"} {
		dir := filepath.Join(t.TempDir(), "journal")
		accepted := map[int]bool{}
		for run := range 10 {
			for _, n := range killed(t, dir, run, lazy) {
				accepted[n] = true
			}
			j, err := Open(Config{Dir: dir})
			require.NoError(t, err)
			verified(t, dir)
			require.NoError(t, j.Close())
			verified(t, dir)
			found := numbers(t, dir)
			for n := range accepted {
				require.Equal(t, 1, found[n], "entry %d", n)
			}
		}
		require.NotEmpty(t, accepted)
	}
}

// numbers returns how often each event is in the journal.
func numbers(t *testing.T, dir string) map[int]int {
	o, err := ReadKeys(dir, "")
	require.NoError(t, err)
	r, err := OpenReader(dir)
	require.NoError(t, err)
	defer r.Close()
	rows, err := r.Records(t.Context(), 0, 1<<30)
	require.NoError(t, err)
	all := map[int]int{}
	for _, row := range rows {
		e, err := o.Keyring.Open(row.Leaf)
		require.NoError(t, err)
		if n, ok := e.Detail["n"].(json.Number); ok {
			i, err := n.Int64()
			require.NoError(t, err)
			all[int(i)]++
		}
	}
	return all
}

// killed runs this test's other half, kills it in the midst of its work, and returns
// what it was told is kept.
func killed(t *testing.T, dir string, run int, lazy string) []int {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$", "-test.v")
	cmd.Env = append(os.Environ(), "BETONICA_KILLED="+dir, "BETONICA_RUN="+strconv.Itoa(run), "BETONICA_LAZY="+lazy)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var all []int
	enough := 20 + rand.IntN(2000)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "kept "); ok {
			n, err := strconv.Atoi(text)
			require.NoError(t, err)
			all = append(all, n)
		}
		if len(all) == enough {
			time.AfterFunc(rand.N(10*time.Millisecond), func() { cmd.Process.Signal(syscall.SIGKILL) })
		}
	}
	require.Error(t, cmd.Wait())
	require.GreaterOrEqual(t, len(all), enough)
	return all
}

func writeUntilKilled(t *testing.T, dir string) {
	run, _ := strconv.Atoi(os.Getenv("BETONICA_RUN"))
	j, err := Open(Config{Dir: dir, Identity: "hospital.example/device/pump-7", Lazy: os.Getenv("BETONICA_LAZY") != "", segment: 200 << 10})
	require.NoError(t, err)
	answers := make(chan int)
	for w := range 16 {
		go func() {
			for i := w; j.Append(context.Background(), event(run*1_000_000+i)) == nil; i += 16 {
				answers <- run*1_000_000 + i
			}
		}()
	}
	for n := range answers {
		fmt.Println("kept " + strconv.Itoa(n)) // one write, and whole lines only count
	}
}

// small makes a journal of a few entries that was closed, as if the process had died
// before it signed anything, and returns its one file of leaves and its content.
func small(t *testing.T) (cfg Config, name string, content []byte) {
	cfg = config(t)
	j := opened(t, cfg)
	for i := range 5 {
		require.NoError(t, j.Append(t.Context(), event(i)))
	}
	require.NoError(t, j.Close())
	require.NoError(t, os.Remove(checkpointsFile(cfg.Dir)))
	name = segment{first: 1}.path(cfg.Dir)
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	return cfg, name, content
}

// starts returns where each entry in content begins, and where the last ends.
func starts(t *testing.T, content []byte) (at []int64) {
	end, err := scan(strings.NewReader(string(content)), 1, func(begin int64, _ audit.Record) error {
		at = append(at, begin)
		return nil
	})
	require.NoError(t, err)
	require.Zero(t, end.torn)
	return append(at, end.end)
}

// Cut off at any byte of the last entry, or followed by zeros as a file system leaves
// them, a journal opens with all entries before it, says how many bytes it cut off, and
// goes on.
func TestTorn(t *testing.T) {
	cfg, name, content := small(t)
	at := starts(t, content)
	last := at[len(at)-2]
	whole := int64(len(at) - 2)
	check := func(text []byte, torn int64) {
		require.NoError(t, os.WriteFile(name, text, 0o600))
		os.Remove(checkpointsFile(cfg.Dir))
		j, err := Open(cfg)
		require.NoError(t, err)
		require.NoError(t, j.Append(t.Context(), event(9)))
		require.NoError(t, j.Close())
		want := 1 + 1 + 1 // open, the new entry, close
		if torn > 0 {
			want++
			require.Equal(t, 1, actions(t, cfg.Dir)["journal.recovered"])
		}
		require.Equal(t, whole+int64(want), verified(t, cfg.Dir).Last)
	}
	for cut := last; cut < int64(len(content)); cut++ {
		check(content[:cut:cut], cut-last)
	}
	check(append(content[:last:last], make([]byte, 1000)...), 1000)
}

// A byte that was changed anywhere is never taken for a torn end: the journal is not
// opened, and nothing in it is changed. Verify names the entry.
func TestFlipped(t *testing.T) {
	cfg, name, content := small(t)
	at := starts(t, content)
	for i := 0; i < len(content); i += 3 {
		changed := append([]byte(nil), content...)
		changed[i] ^= 0x40
		require.NoError(t, os.WriteFile(name, changed, 0o600))
		_, err := Open(cfg)
		require.ErrorIs(t, err, ErrDamaged, "byte %d", i)
		left, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, changed, left)
		if i%7 == 0 {
			_, err = verify(t, cfg.Dir)
			if last := at[len(at)-2]; int64(i) < last || int64(i) >= last+4 { // a torn end is none of verify's
				require.Error(t, err, "byte %d", i)
			}
		}
	}
}

// What was done to a journal that has signed for its entries is named: an entry edited,
// deleted, moved, the end cut off, another file put back. It is opened no more.
func TestTampered(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(content []byte, at []int64) []byte
		kind audit.Kind
	}{
		{"edited", func(c []byte, at []int64) []byte { c[at[300]+100] ^= 1; return c }, audit.Edited},
		{"deleted", func(c []byte, at []int64) []byte { return append(c[:at[300]:at[300]], c[at[301]:]...) }, audit.Deleted},
		{"reordered", func(c []byte, at []int64) []byte {
			out := append(c[:at[300]:at[300]], c[at[301]:at[302]]...)
			return append(append(out, c[at[300]:at[301]]...), c[at[302]:]...)
		}, audit.Reordered},
		{"truncated", func(c []byte, at []int64) []byte { return c[:at[600]] }, audit.Truncated},
		{"truncated after the last tile", func(c []byte, at []int64) []byte { return c[:at[len(at)-2]] }, audit.Truncated},
		{"doubled", func(c []byte, at []int64) []byte {
			return append(append(c[:at[300]:at[300]], c[at[299]:at[300]]...), c[at[300]:]...)
		}, audit.Inserted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t)
			j := opened(t, cfg)
			appended(t, j, 700)
			require.NoError(t, j.Close())
			name := segment{first: 1}.path(cfg.Dir)
			content, err := os.ReadFile(name)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(name, tt.do(content, starts(t, content)), 0o600))
			report, err := verify(t, cfg.Dir)
			require.Error(t, err)
			var kinds []audit.Kind
			for _, f := range report.Findings {
				kinds = append(kinds, f.Kind)
			}
			require.Contains(t, kinds, tt.kind, "%v", report)
			_, err = Open(cfg)
			require.ErrorIs(t, err, ErrDamaged)
		})
	}
}

// A checkpoint or a tile that was changed is found, too.
func TestTamperedBeside(t *testing.T) {
	for _, name := range []string{"checkpoints", "tiles.0"} {
		cfg := config(t)
		j := opened(t, cfg)
		appended(t, j, 700)
		require.NoError(t, j.Close())
		name := filepath.Join(cfg.Dir, name)
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		text[len(text)-20] ^= 1
		require.NoError(t, os.WriteFile(name, text, 0o600))
		_, err = verify(t, cfg.Dir)
		require.Error(t, err)
		_, err = Open(cfg)
		require.ErrorIs(t, err, ErrDamaged)
	}
}

// FuzzScan: whatever a file of leaves holds, scanning it ends, and what it accepts is
// entries in their order, each as its hash says, from the beginning of the file.
func FuzzScan(f *testing.F) {
	keys, data := audit.NewKeys(audit.NewMaster()), audit.NewDataKey()
	s := audit.NewSealer(keys, data)
	var good []byte
	for seq := range int64(3) {
		row, err := s.Seal(seq+1, time.Now(), event(0))
		require.NoError(f, err)
		good = audit.AppendFrame(good, row.Hash, row.Leaf)
	}
	f.Add(good)
	f.Add(good[:len(good)-5])
	f.Add(append(good[:len(good):len(good)], 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		next := int64(1)
		var again []byte
		end, err := scan(strings.NewReader(string(b)), 1, func(at int64, row audit.Record) error {
			require.Equal(t, int64(len(again)), at)
			require.Equal(t, next, row.Seq)
			again = audit.AppendFrame(again, row.Hash, row.Leaf)
			next++
			return nil
		})
		require.Equal(t, string(again), string(b[:end.end]))
		require.Equal(t, next, end.next)
		if err == nil {
			require.Equal(t, int64(len(b)), end.end+end.torn)
		}
	})
}
