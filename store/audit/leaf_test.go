package audit

import (
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
		rec, err := NewSealer(keys, data).Seal(1<<40, time.UnixMilli(1795334400123), e)
		require.NoError(f, err)
		f.Add(rec.Leaf)
	}
	ring := NewKeyring(data)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeLeaf(b)
		entry, openErr := ring.Open(b)
		if err != nil {
			require.Error(t, openErr)
			return
		}
		again := append(append(l.appendHeader(nil), l.nonce...), l.sealed...)
		require.Equal(t, b, again)
		used := leaf{seq: 9, action: "token.create", terms: []Term{{1}, {2}, {3}}, nonce: []byte{1}}
		require.NoError(t, used.decode(b))
		require.Equal(t, l.terms, used.terms[:len(l.terms):len(l.terms)])
		require.Len(t, used.terms, len(l.terms))
		used.terms = l.terms
		require.Equal(t, l, used, "whatever the leaf held before")
		require.Equal(t, len(b), l.headerLen()+len(l.nonce)+len(l.sealed))
		if openErr == nil {
			require.Equal(t, l.seq, entry.Seq)
		}
	})
}

// A leaf has one spelling: terms that do not ascend, a count too high, another
// version, a number or time that none has, are all malformed.
func TestLeafStrict(t *testing.T) {
	good := leaf{
		seq: 7, at: time.UnixMilli(1795334400123), action: "token.create", terms: []Term{{1}, {2}},
		nonce: make([]byte, nonceLen), sealed: make([]byte, tagLen),
	}
	encode := func(change func(*leaf)) []byte {
		l := good
		change(&l)
		return append(append(l.appendHeader(nil), l.nonce...), l.sealed...)
	}
	_, err := decodeLeaf(encode(func(*leaf) {}))
	require.NoError(t, err)
	versionTwo := encode(func(*leaf) {})
	versionTwo[0] = 2
	for name, b := range map[string][]byte{
		"version":          versionTwo,
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
		"nothing sealed":   encode(func(l *leaf) { l.sealed = make([]byte, tagLen-1) }),
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
	l := leaf{seq: 1, at: time.UnixMilli(0), action: "a", commitment: two.commitment(), nonce: make([]byte, nonceLen)}
	l.header = append(l.appendHeader(nil), l.nonce...)
	aead, err := newGCM(one[:])
	require.NoError(t, err)
	l.sealed = aead.Seal(nil, l.nonce, []byte("{}"), l.header)
	_, err = one.open(nil, l)
	require.Error(t, err)
}
