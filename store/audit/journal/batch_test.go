package journal

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"crypto"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// certificate makes one for a key.
func certificate(t testing.TB, key crypto.Signer) *tls.Certificate {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pump-7"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func ecKey(t testing.TB) crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// shipping opens a journal whose key is certified.
func shipping(t testing.TB, cfg Config) *Journal {
	cert := certificate(t, ecKey(t))
	cfg.Certificate = func() (*tls.Certificate, error) { return cert, nil }
	return opened(t, cfg)
}

// signs has the journal sign for all that it holds.
func signs(t testing.TB, cfg *Config, j **Journal) {
	require.NoError(t, (*j).Close())
	*j = shipping(t, *cfg)
}

// A machine's certificate vouches for its journal by whatever kind of key, and for nothing
// that was changed.
func TestStatement(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for _, key := range []crypto.Signer{ecKey(t), ed, rsaKey} {
		s, err := Certify("a/journal/1", "a+b", certificate(t, key))
		require.NoError(t, err)
		c, err := s.Certificate()
		require.NoError(t, err)
		require.Equal(t, "pump-7", c.Subject.CommonName)
		for _, change := range []func(*Statement){
			func(s *Statement) { s.Origin = "a/journal/2" },
			func(s *Statement) { s.Key += "x" },
			func(s *Statement) { s.Signature = nil },
			func(s *Statement) { s.Chain = nil },
			func(s *Statement) { s.Chain = certificate(t, ecKey(t)).Certificate },
		} {
			bad := s
			change(&bad)
			_, err := bad.Certificate()
			require.Error(t, err)
		}
	}
}

// The statement is renewed with the machine's certificate.
func TestStatementRenewed(t *testing.T) {
	cfg := config(t)
	j := shipping(t, cfg)
	first, err := ReadStatement(cfg.Dir)
	require.NoError(t, err)
	require.NoError(t, j.Close())
	j = shipping(t, cfg)
	second, err := ReadStatement(cfg.Dir)
	require.NoError(t, err)
	require.Equal(t, first.Key, second.Key)
	require.NotEqual(t, first.Chain, second.Chain)
	_, err = second.Certificate()
	require.NoError(t, err)
	require.NoError(t, j.Close())
}

// received is what is at the other end.
type received struct {
	frontier audit.Frontier
	newest   string
	rows     int
}

// take reads a batch as it is sent, and adds it.
func (r *received) take(t testing.TB, b *Batch) error {
	text, err := b.Encode()
	require.NoError(t, err)
	require.LessOrEqual(t, len(text), MaxBatch)
	got, err := ReadBatch(bytes.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, b.Rows, got.Rows)
	_, err = got.Statement.Certificate()
	require.NoError(t, err)
	f := r.frontier
	again, _ := audit.ParseFrontier(f.Size(), f.Bytes())
	keep, err := got.Extend(&again, r.newest)
	if err != nil {
		return err
	}
	r.frontier, r.newest, r.rows = again, keep, r.rows+len(got.Rows)
	return nil
}

// A journal goes to the other end in batches, each entry once, also when more was signed
// for in between; and its data keys open the entries there.
func TestBatches(t *testing.T) {
	reader := audit.NewKeys(audit.NewMaster())
	cfg := config(t)
	cfg.segment = 300 << 10
	j := shipping(t, cfg)
	var r received
	proved := 0
	for range 3 {
		appended(t, j, 6000)
		signs(t, &cfg, &j)
		b, err := j.Batch(t.Context(), Ends{})
		require.NoError(t, err)
		require.Empty(t, b.Rows)
		require.NoError(t, r.take(t, b))
		for n := 0; ; n++ {
			b, err := j.Batch(t.Context(), Ends{r.frontier.Size() + 1, reader.ReaderKey()})
			require.NoError(t, err)
			if len(b.Rows) == 0 {
				require.Positive(t, n)
				break
			}
			if len(b.Proof) > 0 { // there are more than go into one batch
				bad := *b
				bad.Proof = append([]tlog.Hash{{1}}, b.Proof[1:]...)
				var fork *ForkError
				require.ErrorAs(t, r.take(t, &bad), &fork)
				proved++
			}
			require.NoError(t, r.take(t, b))
			var keys []audit.DataKey
			for _, k := range b.Keys {
				d, err := reader.OpenFor(audit.KeyID(k.ID), k.Sealed)
				require.NoError(t, err)
				keys = append(keys, d)
			}
			ring := audit.NewKeyring(keys...)
			for _, row := range b.Rows {
				_, err := ring.Open(row.Leaf)
				require.NoError(t, err)
			}
			if n == 0 {
				break // the rest after more was signed for
			}
		}
	}
	for {
		b, err := j.Batch(t.Context(), Ends{r.frontier.Size() + 1, reader.ReaderKey()})
		require.NoError(t, err)
		if len(b.Rows) == 0 {
			break
		}
		require.NoError(t, r.take(t, b))
	}
	require.GreaterOrEqual(t, r.rows, 18000)
	require.Positive(t, proved)
	_, err := j.Batch(t.Context(), Ends{r.frontier.Size() + 2, reader.ReaderKey()})
	require.ErrorIs(t, err, ErrDamaged)
}

// A journal that was set back, or that went another way, is a fork, whatever it sends.
func TestBatchFork(t *testing.T) {
	reader := audit.NewKeys(audit.NewMaster()).ReaderKey()
	cfg := config(t)
	j := shipping(t, cfg)
	appended(t, j, 100)
	signs(t, &cfg, &j)
	require.NoError(t, j.Close())
	copied := copyOf(t, cfg.Dir) // two ways from here
	other := cfg
	other.Dir = copied

	j = shipping(t, cfg)
	appended(t, j, 300)
	signs(t, &cfg, &j)
	var r received
	b, err := j.Batch(t.Context(), Ends{1, reader})
	require.NoError(t, err)
	require.NoError(t, r.take(t, b))

	k := shipping(t, other)
	var fork *ForkError
	b, err = k.Batch(t.Context(), Ends{})
	require.NoError(t, err)
	require.ErrorAs(t, r.take(t, b), &fork, "it is older")
	appended(t, k, 400)
	signs(t, &other, &k)
	b, err = k.Batch(t.Context(), Ends{r.frontier.Size() + 1, reader})
	require.NoError(t, err)
	require.ErrorAs(t, r.take(t, b), &fork, "it is longer")
	require.Contains(t, fork.Error(), "not those of its checkpoint")
	b.Checkpoint = ""
	require.Error(t, r.take(t, b), "nothing is taken that is not signed for")
}

func copyOf(t *testing.T, dir string) string {
	to := t.TempDir()
	for _, name := range list(t, dir) {
		copyFile(t, dir+"/"+name, to+"/"+name)
	}
	return to
}

// What no journal sends is refused: cut off, followed by something, out of order, changed.
func TestReadBatchRefuses(t *testing.T) {
	cfg := config(t)
	j := shipping(t, cfg)
	appended(t, j, 5)
	signs(t, &cfg, &j)
	b, err := j.Batch(t.Context(), Ends{1, audit.NewKeys(audit.NewMaster()).ReaderKey()})
	require.NoError(t, err)
	good, err := b.Encode()
	require.NoError(t, err)
	head := bytes.IndexByte(good, '\n')
	refused := func(name string, text []byte) {
		_, err := ReadBatch(bytes.NewReader(text))
		require.Error(t, err, name)
	}
	for _, n := range []int{0, 5, head, head + 1, head + 20, len(good) - 1} {
		refused("cut off", good[:n])
	}
	refused("followed", append(good[:len(good):len(good)], 0))
	refused("endless", bytes.Repeat([]byte("x"), MaxBatch+10))
	for name, change := range map[string]func(*Batch){
		"form":     func(b *Batch) { b.Form = "x" },
		"first":    func(b *Batch) { b.First = 0 },
		"shifted":  func(b *Batch) { b.First++; b.Last++ },
		"fewer":    func(b *Batch) { b.Last-- },
		"more":     func(b *Batch) { b.Last++ },
		"negative": func(b *Batch) { b.Last = -5 },
		"huge":     func(b *Batch) { b.First, b.Last = 1<<62+1, 1<<62+1 },
		"keys":     func(b *Batch) { b.Keys = make([]SealedKey, 100) },
		"leaf":     func(b *Batch) { b.Frames = bytes.Clone(b.Frames); b.Frames[60] ^= 1 },
		"hash":     func(b *Batch) { b.Frames = bytes.Clone(b.Frames); b.Frames[6] ^= 1 },
	} {
		bad := *b
		change(&bad)
		text, err := bad.Encode()
		require.NoError(t, err)
		refused(name, text)
	}
}

// FuzzReadBatch: whatever is sent, reading it ends, and what is accepted is entries that
// hash to what they say, in order; sent again it is the same.
func FuzzReadBatch(f *testing.F) {
	cfg := config(f)
	j := shipping(f, cfg)
	appended(f, j, 3)
	signs(f, &cfg, &j)
	b, err := j.Batch(f.Context(), Ends{1, audit.NewKeys(audit.NewMaster()).ReaderKey()})
	require.NoError(f, err)
	require.NoError(f, j.Close()) // its goroutine would look like news to the fuzzer
	good, err := b.Encode()
	require.NoError(f, err)
	f.Add(good)
	b.Frames, b.Keys, b.Last, b.Statement = nil, nil, 0, Statement{}
	small, err := b.Encode()
	require.NoError(f, err)
	f.Add(small)
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := ReadBatch(bytes.NewReader(text))
		if err != nil {
			return
		}
		require.EqualValues(t, b.Last-b.First+1, len(b.Rows))
		again, err := b.Encode()
		require.NoError(t, err)
		c, err := ReadBatch(bytes.NewReader(again))
		require.NoError(t, err)
		want, err := json.Marshal(b)
		require.NoError(t, err)
		got, err := json.Marshal(c)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got))
		require.Equal(t, b.Frames, c.Frames)
		var frontier audit.Frontier
		b.Extend(&frontier, "")
	})
}
