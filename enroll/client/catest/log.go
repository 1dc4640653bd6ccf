package catest

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/enroll/api"
)

// A Log is a Merkle log with signed checkpoints (C2SP tlog-checkpoint). Its
// methods are called under its Server's lock.
type Log struct {
	Origin string
	Key    string // the verifier key

	t      testing.TB
	signer note.Signer
	size   int64
	hashes []tlog.Hash

	recovery  string // signed; empty: there was none
	recovered int64  // the size that it goes back to
}

// NewLog makes an empty log with a key of its own.
func NewLog(t testing.TB, origin string) *Log {
	secret, public, err := note.GenerateKey(rand.Reader, origin)
	require.NoError(t, err)
	signer, err := note.NewSigner(secret)
	require.NoError(t, err)
	return &Log{Origin: origin, Key: public, t: t, signer: signer}
}

// Fork starts the log's history anew, under the same key: size entries that
// never were.
func (l *Log) Fork(size int) {
	l.size, l.hashes = 0, nil
	l.Grow(size)
}

// Recover sets the log back to its first size entries, and has it own up to that.
func (l *Log) Recover(size int64) {
	root, err := tlog.TreeHash(size, l.reader())
	require.NoError(l.t, err)
	text := fmt.Sprintf("%s\n%d\n%s\nrecovery %d %s\n", l.Origin, size, root, l.size, time.Now().UTC().Format(time.RFC3339))
	signed, err := note.Sign(&note.Note{Text: text}, l.signer)
	require.NoError(l.t, err)
	l.recovery, l.recovered = string(signed), size
	l.SetBack(size)
}

// SetBack drops all but the first size entries, without a word.
func (l *Log) SetBack(size int64) { l.size, l.hashes = size, l.hashes[:tlog.StoredHashCount(size)] }

// Grow appends n entries that mean nothing, each unlike any other log's.
func (l *Log) Grow(n int) {
	for range n {
		l.append(rand.Text())
	}
}

func (l *Log) append(text string) {
	hashes, err := tlog.StoredHashes(l.size, []byte(text), l.reader())
	require.NoError(l.t, err)
	l.hashes = append(l.hashes, hashes...)
	l.size++
}

func (l *Log) reader() tlog.HashReaderFunc {
	return func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, n := range indexes {
			out[i] = l.hashes[n]
		}
		return out, nil
	}
}

// Checkpoint is the answer to GET /v1/checkpoint?since=.
func (l *Log) Checkpoint(since int64) api.Checkpoint {
	root, err := tlog.TreeHash(l.size, l.reader())
	require.NoError(l.t, err)
	text := fmt.Sprintf("%s\n%d\n%s\n", l.Origin, l.size, root)
	signed, err := note.Sign(&note.Note{Text: text}, l.signer)
	require.NoError(l.t, err)
	cp := api.Checkpoint{Note: string(signed), Key: l.Key}
	if since > 0 && since <= l.size {
		cp.Since, cp.Proof = since, l.prove(since)
	}
	if l.recovery != "" && since > l.recovered {
		cp.Recovery = &api.Recovery{Note: l.recovery, Proof: l.prove(l.recovered)}
	}
	return cp
}

func (l *Log) prove(since int64) (proof []string) {
	hashes, err := tlog.ProveTree(l.size, since, l.reader())
	require.NoError(l.t, err)
	for _, h := range hashes {
		proof = append(proof, h.String())
	}
	return proof
}
