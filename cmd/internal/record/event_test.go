package record

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/plain"
)

func example() Record {
	b := Unbound()
	r := Record{
		Begin: time.Date(2026, 11, 22, 8, 0, 3, 123456789, time.UTC), End: time.Date(2026, 11, 22, 8, 0, 4, 1000, time.UTC),
		Since:  time.Date(2026, 11, 22, 7, 59, 0, 5000, time.UTC),
		Caller: "spiffe://hospital.example/device/pump-7", Serial: "0af3", Address: "10.0.0.7:50122",
		Guard: "spiffe://hospital.example/service/pacs", Side: Server, Route: "fhir", Target: "http://127.0.0.1:8080",
		Protocol: FHIR, Kind: Request, Operation: "GET", Resource: "Observation", Rule: "nurses read",
		Called: "PACS", Calling: "CT1", Compartment: "Patient", Also: "Encounter,*", Answer: "AR",
		Outcome: Refused, Reason: "type not allowed", Status: 403, In: 12, Out: 1 << 40,
		Link: b.Link, Number: "7", Key: b.Key("7"),
	}
	h := b.Digest("7", ToTarget)
	h.Write([]byte("payload"))
	r.Request = Digest(h.Sum(nil))
	return r
}

// sealed takes an event the way of the log, and opens it again.
func sealed(t testing.TB, e audit.Event) audit.Entry {
	keys, data := audit.NewKeys(audit.NewMaster()), audit.NewDataKey()
	row, err := audit.NewSealer(keys, data).Seal(1, time.Now(), e)
	require.NoError(t, err)
	entry, err := audit.NewKeyring(data).Open(row.Leaf)
	require.NoError(t, err)
	return entry
}

// What went into the log comes out of it: every field, to the microsecond.
func TestRoundTrip(t *testing.T) {
	for _, r := range []Record{example(), {Kind: Connection}, {Kind: Message, Status: -1, In: -1}} {
		got, err := Parse(sealed(t, r.Event()))
		require.NoError(t, err)
		require.Equal(t, r.Clean(), got)
		again, err := Parse(audit.Entry{Event: r.Event()}) // not by way of JSON
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	require.Equal(t, 123456*time.Microsecond, time.Duration(example().Clean().Begin.Nanosecond()))
	require.Equal(t, 876545*time.Microsecond, example().Clean().Duration())
}

// A record of words that nobody knows is kept all the same, and has none of them: its
// action is in clear.
func TestUnknownWords(t *testing.T) {
	e := Record{Kind: "name of a patient", Side: "x\n", Protocol: "gopher", Outcome: "ok"}.Event()
	require.Equal(t, "access.unknown", e.Action)
	r, err := Parse(sealed(t, e))
	require.NoError(t, err)
	require.Equal(t, Record{Kind: unknown, Side: unknown, Protocol: unknown, Outcome: unknown}, r)
}

// Entries about the journal itself are told from records, and what no record made from
// both.
func TestParseRefuses(t *testing.T) {
	_, err := Parse(audit.Entry{Event: audit.Event{Action: "journal.open"}})
	require.ErrorIs(t, err, ErrOther)
	for name, value := range map[string]any{
		"in": "12", "out": json.Number("1.5"), "status": json.Number("99999999999999999999"), "begin": "yesterday", "end": 3,
		"request": "abcd", "response": strings.Repeat("0", 66), "key": strings.Repeat("g", 64), "link": map[string]any{}, "side": true,
	} {
		_, err := Parse(audit.Entry{Event: audit.Event{Action: "access.request", Detail: map[string]any{name: value}}})
		require.ErrorContains(t, err, name)
		require.NotErrorIs(t, err, ErrOther)
	}
}

// The key of the digests is in the sealed event and nowhere else: not in a log line,
// not in JSON, not in whatever %v prints.
func TestSecretStaysSecret(t *testing.T) {
	r := example()
	key := r.Key.Reveal()
	require.Contains(t, r.Event().Detail, "key")
	var text, lines strings.Builder
	slog.New(slog.NewJSONHandler(&lines, nil)).Info("x", "record", r, "key", r.Key)
	slog.New(slog.NewTextHandler(&lines, nil)).Info("x", "record", r, "key", r.Key)
	b, err := json.Marshal(r)
	require.NoError(t, err)
	fmt.Fprintf(&text, "%v %+v %#v %s %x %d %q", r, r, r, r.Key, r.Key, r.Key, r.Key)
	bond := Unbound()
	fmt.Fprintf(&text, "%v %+v %#v %x", bond, bond, bond, bond)
	for _, s := range []string{text.String(), lines.String(), string(b)} {
		require.NotContains(t, s, key)
		require.NotContains(t, s, fmt.Sprintf("%d", r.Key.key[:4])[1:12])
	}
	require.NotContains(t, text.String(), fmt.Sprintf("%x", bond.key))
}

// FuzzRoundTrip: whatever a stranger puts into a record, it seals, opens, and is the
// cleaned record again; no text in its JSON has more than one line.
func FuzzRoundTrip(f *testing.F) {
	f.Add("GET", "Patient/7\n", "pump\u202e", "\xff", int64(1), int64(200))
	f.Fuzz(func(t *testing.T, operation, resource, caller, word string, in, at int64) {
		r := Record{
			Begin: time.UnixMicro(at), Kind: Kind(word), Outcome: Outcome(word), Caller: caller, Target: resource, Operation: operation,
			Resource: resource, Reason: word, In: in, Status: int(at), Link: word, Number: operation,
		}
		entry := sealed(t, r.Event())
		got, err := Parse(entry)
		require.NoError(t, err)
		require.Equal(t, r.Clean(), got)
		for _, s := range []string{got.Caller, got.Operation, got.Resource, got.Reason} {
			require.Equal(t, s, plain.Clean(s, max(len(s), 3)))
		}
	})
}

// FuzzSealable: what goes into a journal is what Event says, byte for byte, whatever the
// texts are.
func FuzzSealable(f *testing.F) {
	f.Add("GET", "\x00\u202e\"", int64(1), int64(1<<40), []byte("key"))
	f.Add("", "", int64(0), int64(0), []byte(nil))
	f.Fuzz(func(t *testing.T, a, b string, n, at int64, key []byte) {
		full := Record{
			Begin: time.UnixMicro(at), End: time.UnixMicro(n), Caller: a, Serial: b, Address: a, Guard: b, Side: Side(a), Route: b, Target: a,
			Protocol: Protocol(b), Kind: Kind(a), Operation: b, Resource: a, Rule: b, Called: a, Calling: b, Compartment: a, Also: b,
			Outcome: Outcome(a), Reason: b, Status: int(n), Answer: a, In: n, Out: at, Link: b, Number: a,
		}
		copy(full.Key.key[:], key)
		copy(full.Request[:], b)
		copy(full.Response[:], a)
		for _, r := range []Record{full, {Kind: Request, Reason: a}, {}, example()} {
			want := r.Event()
			got := r.sealable(nil)
			var plain bytes.Buffer
			if len(want.Detail) > 0 {
				e := json.NewEncoder(&plain)
				e.SetEscapeHTML(false)
				require.NoError(t, e.Encode(want.Detail))
			}
			require.Equal(t, strings.TrimSuffix(plain.String(), "\n"), string(got.Encoded))
			want.Detail, got.Encoded = nil, nil
			require.Equal(t, want, got)
		}
	})
}

// FuzzMac: the keys that digests hang on are those of HMAC-SHA256, as an auditor computes
// them with whatever he has.
func FuzzMac(f *testing.F) {
	f.Add([]byte("key"), "text")
	f.Add([]byte(nil), strings.Repeat("x", 300))
	f.Fuzz(func(t *testing.T, k []byte, text string) {
		var key [32]byte
		copy(key[:], k)
		h := hmac.New(sha256.New, key[:])
		h.Write([]byte(text))
		require.Equal(t, [32]byte(h.Sum(nil)), mac(&key, text[:len(text)/2], text[len(text)/2:]))
		s := Secret{key}
		inner := mac(&key, string(FromTarget), "")
		want := hmac.New(sha256.New, inner[:])
		got := s.Digest(FromTarget)
		again := new(Digester)
		again.Begin(Secret{inner}, ToTarget) // of another access
		io.WriteString(again, text)
		again.Drop()
		require.False(t, again.Begun())
		again.Begin(s, FromTarget)
		require.True(t, again.Begun())
		for _, piece := range []string{text, "x", text} {
			io.WriteString(want, piece)
			io.WriteString(got, piece)
			io.WriteString(again, piece)
			require.Equal(t, want.Sum(nil), got.Sum(nil))
			require.Equal(t, Digest(want.Sum(nil)), again.Digest())
		}
		got.Reset()
		require.Equal(t, s.Empty(FromTarget), Digest(got.Sum(nil)))
		require.Equal(t, Digest(s.Digest(ToTarget).Sum(nil)), s.Empty(ToTarget))
	})
}

// BenchmarkRecord is what a guard pays for a record before it is written.
func BenchmarkRecord(b *testing.B) {
	r := example()
	sealer := audit.NewSealer(audit.NewKeys(audit.NewMaster()), audit.NewDataKey())
	room := make([]byte, 0, 1<<10)
	for name, event := range map[string]func(Record) audit.Event{"event": Record.Event, "sealable": func(r Record) audit.Event { return r.sealable(room) }} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := sealer.Seal(1, r.End, event(r)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
