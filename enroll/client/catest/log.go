package catest

import (
	"crypto/rand"
	"fmt"
	"testing"

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
		cp.Since = since
		proof, err := tlog.ProveTree(l.size, since, l.reader())
		require.NoError(l.t, err)
		for _, h := range proof {
			cp.Proof = append(cp.Proof, h.String())
		}
	}
	return cp
}
