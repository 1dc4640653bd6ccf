package audit_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/betonica/betonica/store/audit"
	"github.com/stretchr/testify/require"
)

func export(t testing.TB, m *memory, from, to int64, note string) []byte {
	var b bytes.Buffer
	require.NoError(t, audit.Export(t.Context(), &b, m.source(), exportOptions(t, from, to, note)))
	return b.Bytes()
}

func exportOptions(t testing.TB, from, to int64, note string) audit.ExportOptions {
	return audit.ExportOptions{From: from, To: to, VerifierKey: vkey(t), Keyring: audit.NewKeyring(dataKey), Checkpoint: note}
}

func vkey(t testing.TB) string {
	k, err := keys.VerifierKey(origin)
	require.NoError(t, err)
	return k
}

// Any range of the log goes out, joined to any checkpoint, and is proved just as
// far as that checkpoint covers it, with no key but the log's public one.
func TestExport(t *testing.T) {
	m := newMemory(t).grow(t, 700, 1, 100, 512, 600, 700)
	for _, note := range m.notes {
		for _, r := range [][2]int64{{1, 1}, {1, 700}, {0, 0}, {3, 9}, {100, 101}, {256, 257}, {257, 512}, {513, 513}, {600, 700}, {700, 700}} {
			out := export(t, m, r[0], r[1], note.Note)
			first, last := max(1, r[0]), r[1]
			if last == 0 {
				last = 700
			}
			report, err := audit.VerifyBundle(bytes.NewReader(out), vkey(t))
			require.NoError(t, err)
			require.Equal(t, []int64{first, last}, []int64{report.First, report.Last})
			require.Equal(t, last-first+1, report.Opened)
			require.True(t, report.KeyTrusted)
			require.Equal(t, note.Note, report.Note)
			tail, end, ok := report.Tail()
			require.Equal(t, note.Size < last, ok, "%v under %d: %s", r, note.Size, report)
			if ok {
				require.Equal(t, []int64{max(first, note.Size+1), last}, []int64{tail, end})
				require.Contains(t, report.String(), fmt.Sprintf("not proved: entries %d to %d", tail, end))
			}
			require.Equal(t, 2+last-first+1, int64(bytes.Count(out, []byte("\n"))))
		}
	}
}

// A bundle can be read by eye, and gives away the keys of its own entries only.
func TestExportReadable(t *testing.T) {
	m := newMemory(t)
	for range 3 {
		m.append(t, issue)
	}
	m.checkpoint(t)
	lines := strings.Split(string(export(t, m, 2, 2, m.notes[0].Note)), "\n")
	require.Len(t, lines, 4)
	require.True(t, strings.HasPrefix(lines[0], `{"bundle":"betonica-audit/1","key":"hospital.example/log+`), lines[0])
	leaf := base64.StdEncoding.EncodeToString(m.rows[1].Leaf)
	require.True(t, strings.HasPrefix(lines[1], `{"seq":2,"at":"2026-11-22T08:00:02.123Z","action":"certificate.issue","actor":"device/SN-0042","subject":"device/SN-0042","address":"10.1.2.3","outcome":"ok","request_id":"f3a9c2d1","detail":{"method":"token","serial":"019a8f3e5d2c7b4aa1b2c3d4e5f60718"},"leaf":"`+leaf+`","key":"`), lines[1])
	require.True(t, strings.HasPrefix(lines[2], `{"end":2,"right":["`), lines[2])
}

// An empty log, one without a checkpoint, and one whose data key is destroyed go
// out too; the report says what that leaves unproved.
func TestExportWithout(t *testing.T) {
	out := export(t, newMemory(t), 0, 0, "")
	r, err := audit.VerifyBundle(bytes.NewReader(out), vkey(t))
	require.NoError(t, err)
	require.Zero(t, r.Last)

	m := newMemory(t).grow(t, 10, 10)
	r, err = audit.VerifyBundle(bytes.NewReader(export(t, m, 0, 0, "")), vkey(t))
	require.NoError(t, err)
	require.Zero(t, r.Proved)
	require.Contains(t, r.String(), "not proved: entries 1 to 10")

	var b bytes.Buffer
	o := exportOptions(t, 0, 0, m.notes[0].Note)
	o.Keyring = nil
	require.NoError(t, audit.Export(t.Context(), &b, m.source(), o))
	require.NotContains(t, b.String(), "operator/anna")
	r, err = audit.VerifyBundle(&b, vkey(t))
	require.NoError(t, err)
	require.Equal(t, []int64{10, 0, 10}, []int64{r.Proved, r.Opened, r.Sealed})
}

// The longest entry that can be sealed can be exported.
func TestExportLongest(t *testing.T) {
	m := newMemory(t)
	m.append(t, audit.Event{Action: "a", Outcome: strings.Repeat("\x01", (audit.MaxLeaf-200)/6)})
	_, err := audit.VerifyBundle(bytes.NewReader(export(t, m, 0, 0, "")), vkey(t))
	require.NoError(t, err)
}

// Without a key from elsewhere the bundle proves nothing but itself, and the
// report says so.
func TestBundleOwnWord(t *testing.T) {
	m := newMemory(t).grow(t, 10, 10)
	out := export(t, m, 0, 0, m.notes[0].Note)
	r, err := audit.VerifyBundle(bytes.NewReader(out), "")
	require.NoError(t, err)
	require.False(t, r.KeyTrusted)
	require.Contains(t, r.String(), "the bundle's own word")

	stranger := audit.NewKeys([32]byte{66})
	other, err := stranger.VerifierKey(origin)
	require.NoError(t, err)
	_, err = audit.VerifyBundle(bytes.NewReader(out), other)
	var tamper *audit.TamperError
	require.ErrorAs(t, err, &tamper)
	require.Equal(t, audit.CheckpointEdited, tamper.Kind)
}

// Whatever is changed in a bundle is named: by entry where an entry does not fit
// itself, by the range where someone sealed and hashed anew.
func TestBundleTampering(t *testing.T) {
	m := newMemory(t).grow(t, 30, 10, 20, 30)
	out := export(t, m, 5, 24, m.notes[1].Note) // 5..24 under 20
	line := func(lines []string, seq int) *string { return &lines[seq-5+1] }
	replace := func(old, new string) func([]string) []string {
		return func(lines []string) []string {
			all := strings.Join(lines, "\n")
			require.Contains(t, all, old)
			return strings.Split(strings.Replace(all, old, new, 1), "\n")
		}
	}
	forged := func() string {
		data := audit.NewDataKey()
		rec, err := audit.NewSealer(audit.NewKeys([32]byte{66}), data).Seal(7, day, issue)
		require.NoError(t, err)
		f := newMemory(t)
		f.append(t, issue)
		var b bytes.Buffer
		rows := slices.Clone(m.rows)
		rows[6] = rec
		o := exportOptions(t, 7, 7, "")
		o.Keyring = audit.NewKeyring(data)
		require.NoError(t, audit.Export(t.Context(), &b, (&memory{rows: rows, tiles: m.tiles}).source(), o))
		return strings.Split(b.String(), "\n")[1]
	}
	for _, tt := range []struct {
		name   string
		tamper func(lines []string) []string
		want   []want
		proved int64
	}{
		{"clear text", replace(`"outcome":"ok"`, `"outcome":"no"`), []want{{audit.Edited, 5, 5}}, 20},
		{"clear text said twice", replace(`"outcome":"ok"`, `"outcome":"no","outcome":"ok"`), []want{{audit.Edited, 5, 5}}, 20},
		{"another spelling", replace(`"outcome":"ok"`, `"outcome": "ok"`), []want{{audit.Edited, 5, 5}}, 20},
		{"other case", replace(`"outcome":"ok"`, `"outcome":"ok","Actor":"x"`), []want{{audit.Edited, 5, 5}}, 20},
		{"number", replace(`"seq":7,`, `"seq":8,`), []want{{audit.Edited, 7, 7}}, 20},
		{"time", replace(`T08:00:07.123Z`, `T08:00:08.123Z`), []want{{audit.Edited, 7, 7}}, 20},
		{"no JSON", func(l []string) []string { *line(l, 9) = "nonsense"; return l }, []want{{audit.Edited, 9, 9}}, 0},
		{"leaf", func(l []string) []string {
			_, leaf, _ := strings.Cut(*line(l, 9), `"leaf":"`)
			*line(l, 9) = strings.Replace(*line(l, 9), leaf[:4], leaf[:2]+"B"+leaf[3:4], 1)
			return l
		}, []want{{audit.Edited, 9, 9}}, 0},
		{"key of another entry", func(l []string) []string {
			i, j := strings.Index(*line(l, 9), `"key"`), strings.Index(*line(l, 8), `"key"`)
			*line(l, 9) = (*line(l, 9))[:i] + (*line(l, 8))[j:]
			return l
		}, []want{{audit.Edited, 9, 9}}, 0},
		{"key taken away", func(l []string) []string {
			i := strings.Index(*line(l, 9), `,"key"`)
			*line(l, 9) = (*line(l, 9))[:i] + "}"
			return l
		}, []want{{audit.Edited, 9, 9}}, 20},
		{"deleted", func(l []string) []string { return slices.Delete(l, 3, 5) }, []want{{audit.Deleted, 7, 8}}, 0},
		{"swapped", func(l []string) []string { l[3], l[4] = l[4], l[3]; return l }, []want{{audit.Reordered, 7, 8}}, 0},
		{"doubled", func(l []string) []string { return slices.Insert(l, 3, l[3]) }, []want{{audit.Inserted, 7, 7}}, 0},
		{"cut off, footer left", func(l []string) []string { return slices.Delete(l, 15, 21) }, []want{{audit.Truncated, 19, 24}}, 0},
		{"cut off", func(l []string) []string { return l[:15] }, []want{{audit.Truncated, 19, 19}}, 0},
		{"cut off, footer mended", func(l []string) []string {
			l = slices.Delete(l, 15, 21)
			l[15] = strings.Replace(l[15], `"end":24`, `"end":18`, 1)
			return l
		}, []want{{audit.Rewritten, 5, 18}}, 0},
		{"end moved back", replace(`"end":24`, `"end":20`), []want{{audit.Inserted, 21, 24}}, 0},
		{"footer mangled", replace(`"right":[]`, `"right": []`), []want{{audit.Truncated, 25, 25}}, 0},
		{"something behind", func(l []string) []string { return append(l[:len(l)-1], "{}", "") }, []want{{audit.Inserted, 25, 25}}, 20},
		{"sealed and hashed anew", func(l []string) []string { *line(l, 7) = forged(); return l }, []want{{audit.Rewritten, 5, 20}}, 0},
		{"begins elsewhere", replace(`"from":5`, `"from":6`), []want{{audit.Renumbered, 5, 24}}, 0},
		{"a hash too many", replace(`"right":[]`, `"right":["`+m.rows[0].Hash.String()+`"]`), []want{{audit.Rewritten, 5, 24}}, 0},
		{"left hash", func(l []string) []string {
			i := strings.Index(l[0], `"left":["`) + len(`"left":["`)
			c := "A"
			if l[0][i] == 'A' {
				c = "B"
			}
			l[0] = l[0][:i] + c + l[0][i+1:]
			return l
		}, []want{{audit.Rewritten, 5, 20}}, 0},
		{"another checkpoint", func(l []string) []string {
			quoted := func(s string) string { return strings.ReplaceAll(s, "\n", `\n`) }
			l[0] = strings.Replace(l[0], quoted(m.notes[1].Note), quoted(m.notes[2].Note), 1)
			return l
		}, []want{{audit.Rewritten, 5, 24}}, 0},
		{"checkpoint edited", replace(`log\n20\n`, `log\n21\n`), []want{{audit.CheckpointEdited, 5, 5}}, 0},
		{"another key named", replace(`"key":"hospital.example/log+`, `"key":"clinic.example/log+`), []want{{audit.CheckpointEdited, 5, 5}}, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines := tt.tamper(strings.Split(string(out), "\n"))
			r, err := audit.VerifyBundle(strings.NewReader(strings.Join(lines, "\n")), vkey(t))
			var tamper *audit.TamperError
			require.ErrorAs(t, err, &tamper)
			require.Equal(t, tt.want, wants(r), "%s", r)
			require.Equal(t, r.Findings[0], tamper)
			require.Equal(t, tt.proved, r.Proved)
		})
	}
}

// What is no bundle at all is refused as such, and a reader that fails is not an
// attack.
func TestNoBundle(t *testing.T) {
	m := newMemory(t).grow(t, 3, 3)
	out := string(export(t, m, 0, 0, m.notes[0].Note))
	for name, text := range map[string]string{
		"empty": "", "json": "{}", "other form": strings.Replace(out, "audit/1", "audit/2", 1),
		"no entry": strings.Replace(out, `"from":1`, `"from":0`, 1),
		"no key":   strings.Replace(out, `"key":"hospital`, `"key":"+`, 1),
		"endless":  strings.Repeat("x", 1<<20),
	} {
		_, err := audit.VerifyBundle(strings.NewReader(text), "")
		require.Error(t, err, name)
		var tamper *audit.TamperError
		require.False(t, errors.As(err, &tamper), name)
	}
	_, err := audit.VerifyBundle(io.MultiReader(strings.NewReader(out[:len(out)/2]), failing{}), "")
	require.ErrorIs(t, err, errBroken)
	_, err = audit.VerifyBundle(strings.NewReader(out), "no key")
	require.Error(t, err)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

// An export of a log that was tampered with says so instead of ending.
func TestExportTampered(t *testing.T) {
	m := newMemory(t).grow(t, 300, 300)
	for name, tt := range map[string]struct {
		tamper func(m *memory)
		want   want
	}{
		"edited":     {func(m *memory) { m.rows[7].Leaf[40] ^= 1 }, want{audit.Edited, 8, 8}},
		"deleted":    {func(m *memory) { m.rows = slices.Delete(m.rows, 7, 9) }, want{audit.Deleted, 8, 9}},
		"renumbered": {func(m *memory) { m.rows[7].Seq, m.rows[8].Seq = 9, 8 }, want{audit.Renumbered, 9, 9}},
		"rewritten": {func(m *memory) {
			rec, err := m.sealer.Seal(8, day, issue) // as root, with the log's keys
			require.NoError(t, err)
			m.rows[7] = rec
		}, want{audit.Rewritten, 5, 20}},
	} {
		c := m.clone()
		tt.tamper(c)
		var b bytes.Buffer
		err := audit.Export(t.Context(), &b, c.source(), exportOptions(t, 5, 20, m.notes[0].Note))
		var tamper *audit.TamperError
		require.ErrorAs(t, err, &tamper, name)
		require.Equal(t, tt.want, want{tamper.Kind, tamper.From, tamper.To}, name)
		require.NotContains(t, b.String(), `"end"`, name)
	}
	for name, o := range map[string]audit.ExportOptions{
		"beyond the end": exportOptions(t, 5, 301, m.notes[0].Note),
		"backwards":      exportOptions(t, 5, 4, m.notes[0].Note),
		"unsigned":       exportOptions(t, 5, 9, strings.Replace(m.notes[0].Note, "300", "301", 1)),
	} {
		require.Error(t, audit.Export(t.Context(), io.Discard, m.source(), o), name)
	}
}

// Two exports, or an export and the store, that a log signed for two histories
// are a fork: the note of the one is evidence against the other.
func TestBundleAgainstStore(t *testing.T) {
	common := newMemory(t).grow(t, 20, 10)
	shown := common.clone().grow(t, 10, 30)
	kept := common.clone().grow(t, 10, 30)
	r, err := audit.VerifyBundle(bytes.NewReader(export(t, shown, 0, 0, shown.notes[1].Note)), vkey(t))
	require.NoError(t, err)
	kept.evidence = audit.EvidenceNote(r.Note)
	report, err := verify(t, kept, witness)
	require.Error(t, err)
	require.Equal(t, []want{{audit.Forked, 1, 30}}, wants(report))
	shown.evidence = kept.evidence
	_, err = verify(t, shown, witness)
	require.NoError(t, err)
}

// A bundle that was exported once verifies for ever: testdata/bundle.ndjson is of
// the entries 4 to 11 of a log with a checkpoint of 10.
func TestBundleVector(t *testing.T) {
	b, err := os.ReadFile("testdata/bundle.ndjson")
	require.NoError(t, err)
	r, err := audit.VerifyBundle(bytes.NewReader(b), vkey(t))
	require.NoError(t, err)
	require.Equal(t, []int64{4, 11, 10, 8}, []int64{r.First, r.Last, r.Proved, r.Opened})
}

// FuzzVerifyBundle: no bytes make VerifyBundle panic, and what it finds nothing
// wrong with under the log's key has the log's own entries up to where it says
// that they are proved.
func FuzzVerifyBundle(f *testing.F) {
	genuine, err := os.ReadFile("testdata/bundle.ndjson")
	require.NoError(f, err)
	lines := bytes.SplitAfter(genuine, []byte("\n"))
	f.Add(genuine)
	f.Add(bytes.Join(lines[:4], nil))
	f.Add(slices.Concat(lines[0], lines[3], lines[2], lines[9]))
	f.Add(slices.Concat(lines[0], lines[9]))
	f.Add([]byte("{}"))
	key := vkey(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := audit.VerifyBundle(bytes.NewReader(b), ""); err != nil {
			_, _ = err.Error(), r.String()
		}
		r, err := audit.VerifyBundle(bytes.NewReader(b), key)
		_ = r.String()
		if err != nil || r.Proved < r.First {
			return
		}
		got := bytes.Split(b, []byte("\n"))
		for seq := r.First; seq <= min(r.Proved, r.Last); seq++ {
			_, leaf, _ := bytes.Cut(lines[seq-4+1], []byte(`"leaf":"`))
			leaf, _, _ = bytes.Cut(leaf, []byte(`"`))
			require.Contains(t, string(got[seq-r.First+1]), string(leaf))
		}
	})
}
