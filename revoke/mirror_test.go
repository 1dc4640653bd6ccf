package revoke_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
)

// A mirrored world writes what it publishes to a directory as well.
type mirrored struct {
	*world
	*revoke.Mirror
	dir  string
	stop func()
}

func newMirrored(t *testing.T, c *enrolltest.CA, dir string, change ...func(*revoke.PublisherConfig, *revoke.ResponderConfig)) *mirrored {
	t.Helper()
	m := &mirrored{dir: dir}
	poke := func(p *revoke.PublisherConfig, _ *revoke.ResponderConfig) { p.Changed = func() { m.Poke() } }
	m.Mirror = revoke.NewMirror(revoke.MirrorConfig{
		Dir:          dir,
		Publishers:   func() []*revoke.Publisher { return []*revoke.Publisher{m.Publisher} },
		Root:         func() *revoke.Document { return m.world.Publishers.Root().CRL() },
		Certificates: func() []*x509.Certificate { return []*x509.Certificate{c.Authority.Certificate(), c.Authority.Root()} },
		Log:          slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	m.world = newWorld(t, c, append(change, poke)...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Mirror.Run(ctx) }()
	m.stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-done) })
	t.Cleanup(m.stop)
	return m
}

// file returns what a URL of ours is in the directory, nil if it is not there yet.
func (m *mirrored) file(path string) []byte {
	b, _ := os.ReadFile(filepath.Join(m.dir, filepath.FromSlash(path)))
	return b
}

func (m *mirrored) paths() (full, delta, root string) {
	dir := "crl/" + m.Authority.IssuerID() + "/"
	return dir + "full.crl", dir + "delta.crl", "crl/" + m.Authority.RootID() + "/full.crl"
}

// Under the path of its URL lies what the daemon serves there, soon after it does.
func TestMirror(t *testing.T) {
	c := enrolltest.New(t)
	require.NoError(t, c.Store.AddSharding(t.Context(), c.Authority.IssuerID(), 2))
	m := newMirrored(t, c, filepath.Join(t.TempDir(), "www"))
	full, delta, rootFull := m.paths()
	shard := "crl/" + c.Authority.IssuerID() + "/" + ca.ShardName(2, 1)
	all := []string{full, delta, rootFull, shard, "chain.crl.pem"}
	same := func() bool {
		return !slices.ContainsFunc(all, func(path string) bool { return string(m.file(path)) != string(m.get("/"+path)) })
	}
	eventually(t, same, "what is served")
	cert := m.revoke("pump-1")
	eventually(t, func() bool { return same() && has(m.open(m.Publisher.Full()), cert) }, "the new lists")
	for id, cert := range map[string]*x509.Certificate{c.Authority.IssuerID(): m.issuing, c.Authority.RootID(): m.world.root} {
		eventually(t, func() bool { return string(m.file("ca/"+id+".cer")) == string(cert.Raw) }, "a certificate")
	}
	require.NoError(t, m.Mirror.Health())

	require.NoError(t, os.Remove(filepath.Join(m.dir, delta)))
	m.Poke()
	eventually(t, same, "what was taken away")
}

// Never does an older list take the place of a newer: not after a crash of the daemon
// that wrote it, nor from another daemon. What is no list of ours is replaced.
func TestMirrorNeverGoesBack(t *testing.T) {
	c := enrolltest.New(t)
	m := newMirrored(t, c, filepath.Join(t.TempDir(), "www"))
	full, delta, _ := m.paths()
	eventually(t, func() bool { return m.file("chain.crl.pem") != nil && m.file(delta) != nil }, "the lists")
	m.revoke("pump-1")
	m.stop()
	now := time.Now().Truncate(time.Second)
	sign := func(number int64, base int64) []byte {
		var der strings.Builder
		require.NoError(t, crl.Encode(&der, m.issuing, c.IssuingKey, crl.Template{Number: number, Base: base, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, crl.Set{}))
		return []byte(der.String())
	}
	newer, newerDelta := sign(1_000_000, 0), sign(1_000_001, 7)
	for path, der := range map[string][]byte{full: newer, delta: newerDelta} {
		require.NoError(t, os.WriteFile(filepath.Join(m.dir, path), der, 0o644))
	}
	again := newMirrored(t, c, m.dir)
	eventually(t, func() bool { return pemHolds(again.file("chain.crl.pem"), newer) }, "a chain of what lies there")
	again.stop()
	require.NoError(t, again.Mirror.Health(), "another daemon's newer list is no trouble")
	require.Equal(t, newer, again.file(full))
	require.Equal(t, newerDelta, again.file(delta))

	foreign := sign(1_000_002, 0)
	foreign[len(foreign)-4] ^= 1 // not signed by us
	for name, lies := range map[string][2][]byte{"garbage": {[]byte("garbage"), nil}, "not ours": {foreign, {}}, "of the other kind": {newerDelta, newer}} {
		require.NoError(t, os.WriteFile(filepath.Join(m.dir, full), lies[0], 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(m.dir, delta), lies[1], 0o644))
		third := newMirrored(t, c, m.dir)
		eventually(t, func() bool {
			return string(third.file(full)) == string(third.Publisher.Full().DER) && string(third.file(delta)) == string(third.Publisher.Delta().DER)
		}, name)
		third.stop()
		third.Stop()
	}
}

func pemHolds(text, der []byte) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if string(block.Bytes) == string(der) {
			return true
		}
	}
	return false
}

// Two daemons on one directory bring it forward together: each file's number only
// rises, each is whole, and the chain holds lists that our keys signed.
func TestMirrorOfTwo(t *testing.T) {
	c := enrolltest.New(t)
	dir := filepath.Join(t.TempDir(), "www")
	fast := func(p *revoke.PublisherConfig, _ *revoke.ResponderConfig) { p.Heartbeat = 10 * time.Millisecond }
	one, two := newMirrored(t, c, dir, fast), newMirrored(t, c, dir, fast)
	full, delta, _ := one.paths()
	last := map[string]int64{}
	eventually(t, func() bool {
		for _, path := range []string{full, delta} {
			der := one.file(path)
			if der == nil {
				continue
			}
			head, err := crl.OpenHead(der, one.issuing)
			require.NoError(t, err)
			require.GreaterOrEqual(t, head.Number(), last[path])
			last[path] = head.Number()
		}
		return last[delta] > 200
	}, "200 heartbeats")
	require.NoError(t, one.Mirror.Health())
	require.NoError(t, two.Mirror.Health())
}

// A directory that cannot be written to is told in Health, stops no revocation, and
// gets everything once it can.
func TestMirrorOfNothing(t *testing.T) {
	c := enrolltest.New(t)
	dir := filepath.Join(t.TempDir(), "www")
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	m := newMirrored(t, c, dir)
	eventually(t, func() bool { return m.Mirror.Health() != nil }, "Health")
	require.ErrorContains(t, m.Mirror.Health(), "publish_dir")
	m.revoke("pump-1")
	require.NoError(t, m.Publisher.Health())
	require.NoError(t, os.Remove(dir))
	full, _, _ := m.paths()
	eventually(t, func() bool { return m.Mirror.Health() == nil && string(m.file(full)) == string(m.Publisher.Full().DER) }, "the lists")
}
