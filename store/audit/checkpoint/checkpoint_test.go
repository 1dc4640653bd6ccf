package checkpoint_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"github.com/betonica/betonica/store/audit/checkpoint"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "hospital.example/log"

func signer(t testing.TB, origin string, seed byte) note.Signer {
	s, err := checkpoint.NewSigner(origin, bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	require.NoError(t, err)
	return s
}

func verifier(t testing.TB, origin string, seed byte) note.Verifier {
	public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	vkey, err := checkpoint.VerifierKey(origin, public)
	require.NoError(t, err)
	v, err := checkpoint.NewVerifier(vkey)
	require.NoError(t, err)
	return v
}

// What was signed opens with the log's key, the same every time, and reads as
// C2SP tlog-checkpoint has it.
func TestSignOpen(t *testing.T) {
	c := checkpoint.Checkpoint{Origin: origin, Size: 1284, Hash: tlog.RecordHash([]byte("x"))}
	text, err := checkpoint.Sign(c, signer(t, origin, 1))
	require.NoError(t, err)
	again, err := checkpoint.Sign(c, signer(t, origin, 1))
	require.NoError(t, err)
	require.Equal(t, text, again)
	require.True(t, strings.HasPrefix(text, "hospital.example/log\n1284\n"+c.Hash.String()+"\n\n— hospital.example/log "), text)

	got, err := checkpoint.Open(text, verifier(t, origin, 1))
	require.NoError(t, err)
	require.Equal(t, c, got)
}

// A key signs for its own origin only, and a log has no negative size.
func TestSignRefuses(t *testing.T) {
	_, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: "other/log"}, signer(t, origin, 1))
	require.Error(t, err)
	_, err = checkpoint.Sign(checkpoint.Checkpoint{Origin: origin, Size: -1}, signer(t, origin, 1))
	require.Error(t, err)
}

// Only what the log's own key signed opens, and only in its one spelling.
func TestOpenRefuses(t *testing.T) {
	s, v := signer(t, origin, 1), verifier(t, origin, 1)
	hash := tlog.RecordHash([]byte("x")).String()
	good := origin + "\n12\n" + hash + "\n"
	sign := func(body string, s note.Signer) string {
		text, err := note.Sign(&note.Note{Text: body}, s)
		require.NoError(t, err)
		return string(text)
	}
	for name, text := range map[string]string{
		"another key":        sign(good, signer(t, origin, 2)),
		"another name":       sign(good, signer(t, "other/log", 1)),
		"another origin":     sign("other/log\n12\n"+hash+"\n", s),
		"unsigned":           good,
		"empty":              "",
		"edited":             strings.Replace(sign(good, s), "\n12\n", "\n13\n", 1),
		"leading zero":       sign(origin+"\n012\n"+hash+"\n", s),
		"plus":               sign(origin+"\n+12\n"+hash+"\n", s),
		"negative":           sign(origin+"\n-12\n"+hash+"\n", s),
		"no size":            sign(origin+"\n\n"+hash+"\n", s),
		"huge size":          sign(origin+"\n9223372036854775808\n"+hash+"\n", s),
		"no hash":            sign(origin+"\n12\n", s),
		"short hash":         sign(origin+"\n12\n"+hash[4:]+"\n", s),
		"other base64":       sign(origin+"\n12\n"+strings.TrimRight(hash, "=")+"\n", s),
		"trailing bits":      sign(origin+"\n12\n"+hash[:42]+"9=\n", s),
		"empty extension":    sign(good+"\nx\n", s),
		"too long":           sign(good+strings.Repeat("x", checkpoint.MaxLen)+"\n", s),
		"carriage return":    strings.ReplaceAll(sign(good, s), "\n", "\r\n"),
		"nothing but a name": sign(origin+"\n", s),
	} {
		_, err := checkpoint.Open(text, v)
		require.Error(t, err, name)
	}
}

// A witness's signature and an extension line do not disturb.
func TestOpenIgnores(t *testing.T) {
	hash := tlog.RecordHash([]byte("x"))
	body := origin + "\n12\n" + hash.String() + "\nextension\n"
	text, err := note.Sign(&note.Note{Text: body}, signer(t, "witness.example", 3), signer(t, origin, 1))
	require.NoError(t, err)
	c, err := checkpoint.Open(string(text), verifier(t, origin, 1))
	require.NoError(t, err)
	require.Equal(t, checkpoint.Checkpoint{Origin: origin, Size: 12, Hash: hash}, c)
}

// A name that a note cannot carry makes no key, and neither does a short seed.
func TestKeysRefuse(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	for _, bad := range []string{"", "a b", "a+b", "a\nb"} {
		_, err := checkpoint.NewSigner(bad, seed)
		require.Error(t, err, "%q", bad)
	}
	_, err := checkpoint.NewSigner(origin, seed[:31])
	require.Error(t, err)
	_, err = checkpoint.NewVerifier("hospital.example/log+00000000+AQ==")
	require.Error(t, err)
}

// FuzzOpen: no text opens but one that the key signed, and what opens is signed
// again to a text that opens to the same.
func FuzzOpen(f *testing.F) {
	s, v := signer(f, origin, 1), verifier(f, origin, 1)
	text, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: origin, Size: 3}, s)
	require.NoError(f, err)
	f.Add(text, "")
	f.Add("", origin+"\n3\n"+tlog.Hash{}.String()+"\n")
	f.Add("", origin+"\n03\n"+tlog.Hash{}.String()+"\nx\n\n")
	f.Fuzz(func(t *testing.T, foreign, body string) {
		if c, err := checkpoint.Open(foreign, v); err == nil {
			require.Equal(t, checkpoint.Checkpoint{Origin: origin, Size: 3}, c)
		}
		signed, err := note.Sign(&note.Note{Text: body}, s) // past the signature, into the parser
		if err != nil {
			return
		}
		c, err := checkpoint.Open(string(signed), v)
		if err != nil {
			require.True(t, errors.Is(err, checkpoint.ErrMalformed), err)
			return
		}
		again, err := checkpoint.Sign(c, s)
		require.NoError(t, err)
		same, err := checkpoint.Open(again, v)
		require.NoError(t, err)
		require.Equal(t, c, same)
	})
}
