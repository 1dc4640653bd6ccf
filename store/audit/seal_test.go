package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/betonica/betonica/store/audit"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
)

var (
	keys    = audit.NewKeys([32]byte{1, 2, 3})
	dataKey = audit.NewDataKey()
	day     = time.Date(2026, 11, 22, 8, 0, 0, 123456789, time.UTC)
	issue   = audit.Event{
		Action: "certificate.issue", Actor: "device/SN-0042", Subject: "device/SN-0042", Address: "10.1.2.3",
		Outcome: "ok", RequestID: "f3a9c2d1", Detail: map[string]any{"serial": "019a8f3e5d2c7b4aa1b2c3d4e5f60718", "method": "token"},
	}
)

// What was sealed comes back to the letter, and the record repeats the leaf.
func TestSealOpen(t *testing.T) {
	e := audit.Event{
		Action: "token.create", Actor: "operator/anna", Subject: "device/SN-<1>&", Address: "::1", Outcome: "no: \x00\u2028",
		RequestID: "r", Detail: map[string]any{"n": 9007199254740993, "nested": map[string]any{"b": true, "a": []any{"x"}}},
	}
	rec, err := audit.NewSealer(keys, dataKey).Seal(7, day, e)
	require.NoError(t, err)
	require.Equal(t, int64(7), rec.Seq)
	require.Equal(t, day.Truncate(time.Millisecond), rec.At)
	require.Equal(t, e.Action, rec.Action)
	require.Equal(t, tlog.RecordHash(rec.Leaf), rec.Hash)

	entry, err := audit.NewKeyring(dataKey).Open(rec.Leaf)
	require.NoError(t, err)
	e.Detail["n"] = json.Number("9007199254740993")
	require.Equal(t, audit.Entry{Seq: 7, At: rec.At, Event: e, KeyID: dataKey.ID, Hash: rec.Hash}, entry)
}

// An Opener opens what a Keyring does, one entry after another, and refuses what that does.
func TestOpener(t *testing.T) {
	sealer, opener := audit.NewSealer(keys, dataKey), audit.NewKeyring(dataKey).Opener()
	for seq := int64(1); seq <= 3; seq++ {
		rec, err := sealer.Seal(seq, day, issue)
		require.NoError(t, err)
		e, text, err := opener.Open(rec.Leaf)
		require.NoError(t, err)
		require.Equal(t, audit.Entry{Seq: seq, At: rec.At, Event: audit.Event{Action: issue.Action}, KeyID: dataKey.ID}, e)
		var sealed struct {
			Actor     string `json:"actor"`
			RequestID string `json:"request_id"`
		}
		require.NoError(t, json.Unmarshal(text, &sealed))
		require.Equal(t, issue.Actor, sealed.Actor)
		require.Equal(t, issue.RequestID, sealed.RequestID)
		rec.Leaf[len(rec.Leaf)-1] ^= 1
		_, _, err = opener.Open(rec.Leaf)
		require.Error(t, err)
		_, err = audit.NewKeyring(dataKey).Open(rec.Leaf)
		require.Error(t, err)
	}
	rec, err := audit.NewSealer(keys, audit.NewDataKey()).Seal(4, day, issue)
	require.NoError(t, err)
	_, _, err = opener.Open(rec.Leaf)
	require.Error(t, err, "of a key that is not there")
}

// Nothing but number, time and action can be read off a leaf.
func TestSealHides(t *testing.T) {
	rec, err := audit.NewSealer(keys, dataKey).Seal(7, day, issue)
	require.NoError(t, err)
	for _, secret := range []string{issue.Actor, issue.Address, issue.Outcome + `"`, issue.RequestID, "serial"} {
		require.NotContains(t, string(rec.Leaf), secret)
	}
}

// One flipped bit anywhere, clear parts and indexes included, keeps a leaf shut.
func TestOpenRefusesChange(t *testing.T) {
	rec, err := audit.NewSealer(keys, dataKey).Seal(7, day, issue)
	require.NoError(t, err)
	ring := audit.NewKeyring(dataKey)
	for i := range rec.Leaf {
		leaf := append([]byte(nil), rec.Leaf...)
		leaf[i] ^= 1
		_, err := ring.Open(leaf)
		require.Error(t, err, "byte %d", i)
	}
	for n := range rec.Leaf {
		_, err := ring.Open(rec.Leaf[:n])
		require.Error(t, err, "first %d bytes", n)
	}
}

// An entry whose data key is destroyed still says what is in clear.
func TestOpenWithoutKey(t *testing.T) {
	rec, err := audit.NewSealer(keys, dataKey).Seal(7, day, issue)
	require.NoError(t, err)
	entry, err := audit.NewKeyring(audit.NewDataKey()).Open(rec.Leaf)
	require.ErrorIs(t, err, audit.ErrNoKey)
	require.Equal(t, audit.Entry{
		Seq: 7, At: rec.At, Event: audit.Event{Action: issue.Action}, KeyID: dataKey.ID, Hash: rec.Hash,
	}, entry)
}

// A number that is sealed again, after its transaction failed, has another nonce:
// it is sealed under the same key.
func TestSealFreshNonce(t *testing.T) {
	s := audit.NewSealer(keys, dataKey)
	one, err := s.Seal(7, day, issue)
	require.NoError(t, err)
	two, err := s.Seal(7, day, issue)
	require.NoError(t, err)
	require.NotEqual(t, one.Leaf, two.Leaf)
	require.Equal(t, one.Leaf[:60], two.Leaf[:60])
}

// Actor and subject are found by their terms, by one if they are the same, in
// ascending order; a value in another field has another term.
func TestTerms(t *testing.T) {
	s := audit.NewSealer(keys, dataKey)
	anna, device := keys.Term(audit.FieldParty, "operator/anna"), keys.Term(audit.FieldParty, "device/SN-0042")
	require.NotEqual(t, anna, device)
	require.NotEqual(t, anna, keys.Term("party2", "operator/anna"))
	require.NotEqual(t, keys.Term("ab", "c"), keys.Term("a", "bc"))
	require.NotEqual(t, anna, audit.NewKeys([32]byte{9}).Term(audit.FieldParty, "operator/anna"))
	for _, tt := range []struct {
		actor, subject string
		want           []audit.Term
	}{
		{"operator/anna", "device/SN-0042", []audit.Term{anna, device}},
		{"device/SN-0042", "operator/anna", []audit.Term{anna, device}},
		{"device/SN-0042", "device/SN-0042", []audit.Term{device}},
		{"", "device/SN-0042", []audit.Term{device}},
		{"", "", nil},
	} {
		rec, err := s.Seal(1, day, audit.Event{Action: "a", Actor: tt.actor, Subject: tt.subject})
		require.NoError(t, err)
		require.ElementsMatch(t, tt.want, rec.Terms)
		for i := 1; i < len(rec.Terms); i++ {
			require.Less(t, string(rec.Terms[i-1][:]), string(rec.Terms[i][:]))
		}
	}
}

// What no leaf can hold is refused, and the next event is sealed as if nothing
// had been.
func TestSealRefuses(t *testing.T) {
	s := audit.NewSealer(keys, dataKey)
	for name, f := range map[string]func() (audit.Record, error){
		"number":      func() (audit.Record, error) { return s.Seal(0, day, issue) },
		"time":        func() (audit.Record, error) { return s.Seal(1, time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), issue) },
		"before 1970": func() (audit.Record, error) { return s.Seal(1, time.UnixMilli(-1), issue) },
		"no action":   func() (audit.Record, error) { return s.Seal(1, day, audit.Event{}) },
		"action":      func() (audit.Record, error) { return s.Seal(1, day, audit.Event{Action: "Für Elise"}) },
		"long action": func() (audit.Record, error) {
			return s.Seal(1, day, audit.Event{Action: strings.Repeat("a", 65)})
		},
		"detail": func() (audit.Record, error) {
			return s.Seal(1, day, audit.Event{Action: "a", Detail: map[string]any{"f": func() {}}})
		},
		"size": func() (audit.Record, error) {
			return s.Seal(1, day, audit.Event{Action: "a", Outcome: strings.Repeat("x", audit.MaxLeaf)})
		},
	} {
		_, err := f()
		require.Error(t, err, name)
	}
	rec, err := s.Seal(1, day, issue)
	require.NoError(t, err)
	_, err = audit.NewKeyring(dataKey).Open(rec.Leaf)
	require.NoError(t, err)
}

// A data key comes back only under the same keys and its own id; an attacker
// who owns the database cannot exchange two.
func TestWrap(t *testing.T) {
	wrapped := keys.Wrap(dataKey)
	d, err := keys.Unwrap(dataKey.ID, wrapped)
	require.NoError(t, err)
	require.Equal(t, dataKey, d)

	_, err = keys.Unwrap(audit.NewDataKey().ID, wrapped)
	require.Error(t, err)
	_, err = audit.NewKeys([32]byte{9}).Unwrap(dataKey.ID, wrapped)
	require.Error(t, err)
	for i := range wrapped {
		bad := append([]byte(nil), wrapped...)
		bad[i] ^= 1
		_, err = keys.Unwrap(dataKey.ID, bad)
		require.Error(t, err)
	}
	_, err = keys.Unwrap(dataKey.ID, nil)
	require.Error(t, err)
}

// No verb of fmt prints a secret.
func TestSecretsDoNotPrint(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		require.Equal(t, "audit.DataKey("+dataKey.ID.String()+")", fmt.Sprintf(verb, dataKey))
		require.Equal(t, "audit.Keys(secret)", fmt.Sprintf(verb, keys))
		require.Equal(t, "audit.Keys(secret)", fmt.Sprintf(verb, *keys))
	}
}

// BenchmarkSeal is what an entry costs on the issuing path: encode, seal, hash,
// two terms, tree.
func BenchmarkSeal(b *testing.B) {
	s := audit.NewSealer(keys, dataKey)
	e := issue
	e.Actor = "operator/anna"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Seal(7, day, e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	rec, err := audit.NewSealer(keys, dataKey).Seal(7, day, issue)
	require.NoError(b, err)
	ring := audit.NewKeyring(dataKey)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Open(rec.Leaf); err != nil {
			b.Fatal(err)
		}
	}
}

// A frame is that of the record, behind what was there, and is read as such; where nothing
// can be sealed nothing is added.
func TestSealFrame(t *testing.T) {
	s := audit.NewSealer(keys, dataKey)
	before := append(make([]byte, 0, 64), "before"...)
	b, hash, err := s.AppendFrame(before, 7, day, issue)
	require.NoError(t, err)
	b, _, err = s.AppendFrame(b, 8, day, audit.Event{})
	require.Error(t, err)
	require.Equal(t, "before", string(b[:6]))
	in := bytes.NewReader(b[6:])
	rec, err := audit.ReadFrame(in, 7)
	require.NoError(t, err)
	require.Zero(t, in.Len())
	require.Equal(t, hash, rec.Hash)
	require.Equal(t, tlog.RecordHash(rec.Leaf), hash)
	entry, err := audit.NewKeyring(dataKey).Open(rec.Leaf)
	require.NoError(t, err)
	require.Equal(t, audit.Entry{Seq: 7, At: day.Truncate(time.Millisecond), Event: entry.Event, KeyID: dataKey.ID, Hash: hash}, entry)
	require.Equal(t, issue.Actor, entry.Actor)
}
