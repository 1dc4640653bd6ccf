package audit

import (
	"crypto/fips140"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzLeaf: no bytes make decodeLeaf panic, and what it accepts has that one
// spelling, which Seal would have written for the same values.
func FuzzLeaf(f *testing.F) {
	keys, data := NewKeys([32]byte{1}), NewDataKey()
	for _, e := range []Event{
		{Action: "a"},
		{Action: "certificate.issue", Actor: "operator/anna", Subject: "device/SN-0042", Outcome: "ok"},
	} {
		for _, version := range []byte{leafV1, leafV2} {
			f.Add(sealedAs(f, version, keys, data, 1<<40, e))
		}
	}
	ring := NewKeyring(data)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeLeaf(b)
		entry, openErr := ring.Open(b)
		if err != nil {
			require.Error(t, openErr)
			return
		}
		again := append(l.appendHeader(nil), l.sealed...)
		require.Equal(t, b, again)
		used := leaf{version: leafV2, seq: 9, action: "token.create", terms: []Term{{1}, {2}, {3}}, sealed: []byte{1}}
		require.NoError(t, used.decode(b))
		require.Equal(t, l.terms, used.terms[:len(l.terms):len(l.terms)])
		require.Len(t, used.terms, len(l.terms))
		used.terms = l.terms
		require.Equal(t, l, used, "whatever the leaf held before")
		require.Equal(t, len(b), l.headerLen()+len(l.sealed))
		if openErr == nil {
			require.Equal(t, l.seq, entry.Seq)
		}
	})
}

// A leaf has one spelling: terms that do not ascend, a count too high, another
// version, a number or time that none has, are all malformed.
func TestLeafStrict(t *testing.T) {
	good := leaf{
		version: leafV1, seq: 7, at: time.UnixMilli(1795334400123), action: "token.create", terms: []Term{{1}, {2}},
		sealed: make([]byte, nonceLen+tagLen),
	}
	encode := func(change func(*leaf)) []byte {
		l := good
		change(&l)
		return append(l.appendHeader(nil), l.sealed...)
	}
	for _, version := range []byte{leafV1, leafV2} {
		_, err := decodeLeaf(encode(func(l *leaf) { l.version = version }))
		require.NoError(t, err)
	}
	for name, b := range map[string][]byte{
		"version 0":        encode(func(l *leaf) { l.version = 0 }),
		"version 3":        encode(func(l *leaf) { l.version = 3 }),
		"number":           encode(func(l *leaf) { l.seq = 0 }),
		"negative number":  encode(func(l *leaf) { l.seq = -1 }),
		"time":             encode(func(l *leaf) { l.at = time.UnixMilli(maxMilli + 1) }),
		"negative time":    encode(func(l *leaf) { l.at = time.UnixMilli(-1) }),
		"no action":        encode(func(l *leaf) { l.action = "" }),
		"action":           encode(func(l *leaf) { l.action = "token create" }),
		"long action":      encode(func(l *leaf) { l.action = string(make([]byte, maxAction+1)) }),
		"terms descend":    encode(func(l *leaf) { l.terms = []Term{{2}, {1}} }),
		"terms repeat":     encode(func(l *leaf) { l.terms = []Term{{1}, {1}} }),
		"too many terms":   encode(func(l *leaf) { l.terms = []Term{{1}, {2}, {3}, {4}, {5}} }),
		"nothing sealed":   encode(func(l *leaf) { l.sealed = make([]byte, nonceLen+tagLen-1) }),
		"too long":         encode(func(l *leaf) { l.sealed = make([]byte, MaxLeaf) }),
		"nothing":          nil,
		"cut in the terms": encode(func(*leaf) {})[:80],
	} {
		_, err := decodeLeaf(b)
		require.ErrorIs(t, err, errLeaf, name)
	}
}

// A leaf opens under one key only, even if whoever sealed it knew another under
// which the ciphertext opens too.
func TestCommitment(t *testing.T) {
	one, two := entryKey{1}, entryKey{2}
	l := leaf{version: leafV2, seq: 1, at: time.UnixMilli(0), action: "a", commitment: two.commitment()}
	l.header = l.appendHeader(nil)
	b, err := one.seal(leafV2, l.header, 0, []byte("{}"))
	require.NoError(t, err)
	l.sealed = b[len(l.header):]
	_, err = one.open(nil, l)
	require.ErrorContains(t, err, "not the key of this leaf")
	l.commitment = one.commitment()
	text, err := one.open(nil, l)
	require.NoError(t, err)
	require.Equal(t, "{}", string(text))
}

// sealedAs returns the leaf of e in that version, whatever the mode.
func sealedAs(t testing.TB, version byte, keys *Keys, data DataKey, seq int64, e Event) []byte {
	t.Helper()
	s := NewSealer(keys, data)
	s.version = version
	var rec Record
	var err error
	seal := func() { rec, err = s.Seal(seq, time.UnixMilli(1795334400123), e) }
	if version == leafV1 { // as a program seals where the mode is off
		fips140.WithoutEnforcement(seal)
	} else {
		seal()
	}
	require.NoError(t, err)
	require.Equal(t, version, rec.Leaf[0])
	return rec.Leaf
}

// What was sealed before there was a version 2 is read for ever, in each mode.
func TestFirstVersion(t *testing.T) {
	text, err := os.ReadFile("testdata/leaf1.hex")
	require.NoError(t, err)
	b, err := hex.DecodeString(string(text))
	require.NoError(t, err)
	d := DataKey{ID: KeyID{1, 2, 3, 4, 5, 6, 7, 8}, secret: [32]byte{9, 8, 7}}
	e, err := NewKeyring(d).Open(b)
	require.NoError(t, err)
	require.Equal(t, Event{
		Action: "token.create", Actor: "operator/anna", Subject: "device/SN-0042", Address: "10.1.2.3", Outcome: "ok", RequestID: "f3a9c2d1",
		Detail: map[string]any{"n": json.Number("1")},
	}, e.Event)
	require.Equal(t, int64(7), e.Seq)
	for i := range b {
		b[i] ^= 1
		_, err := NewKeyring(d).Open(b)
		require.Error(t, err, "byte %d", i)
		b[i] ^= 1
	}
}

// Entries are sealed by version 2 where FIPS 140-3 is on, and else by the one that older
// programs read; a log may have both, and each opens as what it is, and as nothing else.
func TestVersions(t *testing.T) {
	keys, data := NewKeys([32]byte{1}), NewDataKey()
	e := Event{Action: "token.create", Actor: "operator/anna", Subject: "device/SN-0042"}
	rec, err := NewSealer(keys, data).Seal(1, time.UnixMilli(0), e)
	require.NoError(t, err)
	require.Equal(t, fips140.Enabled(), rec.Leaf[0] == leafV2)
	for _, version := range []byte{leafV1, leafV2} {
		b := sealedAs(t, version, keys, data, 7, e)
		got, err := NewKeyring(data).Open(b)
		require.NoError(t, err)
		require.Equal(t, e, got.Event)
		for i := range b {
			b[i] ^= 1
			_, err := NewKeyring(data).Open(b)
			require.Error(t, err, "version %d, byte %d", version, i)
			b[i] ^= 1
		}
		b[0] = leafV1 + leafV2 - version
		_, err = NewKeyring(data).Open(b)
		require.Error(t, err, "as the other version")
	}
	same := sealedAs(t, leafV2, keys, data, 7, e)
	require.NotEqual(t, same, sealedAs(t, leafV2, keys, data, 7, e), "sealed again by another nonce")
}
