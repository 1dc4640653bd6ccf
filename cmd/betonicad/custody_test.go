package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
)

// A host is one of several with a CA's keys.
type host struct {
	*custody
	t   *testing.T
	dir string
}

// hostOf opens the store for a CA's folder, as its daemon would.
func hostOf(t *testing.T, dir string) *host {
	c, err := server.ReadConfig(dir)
	require.NoError(t, err)
	s, err := openSecrets(layout(dir), c)
	require.NoError(t, err)
	db, err := store.Open(t.Context(), store.Config{
		DSN: c.Store.DSN, Keys: s.log, Origin: origin(s.trustDomain()), IDFile: layout(dir).storeID(), Replica: store.Replica{Name: c.Server.Replica.String()},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return &host{openCustody(layout(dir), c, db, slog.New(slog.NewTextHandler(t.Output(), nil))), t, dir}
}

// settle settles, as the daemon does at SIGHUP or when it hears of a deposit.
func (h *host) settle() error {
	ours, err := openSecrets(h.layout, h.config)
	require.NoError(h.t, err)
	_, err = h.custody.settle(h.t.Context(), ours)
	return err
}

// files returns what the deposit of this host would hold.
func (h *host) files() map[string][]byte {
	p, err := newDeposit(h.layout, h.config, "hospital.example")
	require.NoError(h.t, err)
	return p.Files
}

func (h *host) aside() []string {
	found, err := filepath.Glob(filepath.Join(h.dir, "keys.aside-*"))
	require.NoError(h.t, err)
	return found
}

// rotated counts the rotations on record.
func (h *host) rotated() int {
	entries, _, err := h.store.AuditEntries(h.t.Context(), store.AuditFilter{Action: actionRotate}, store.Page{})
	require.NoError(h.t, err)
	return len(entries)
}

// twoHosts are the host of a CA, and one that joined it; the root's key is at hand on
// both.
func twoHosts(t *testing.T) (a, b *host, dsn string) {
	dir, dsn := onPostgres(t)
	other := besides(t, dir)
	_, _, err := try(t, "join", "--dsn", dsn, "--dir", other, "--name", "ca-2")
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(other+".root", os.DirFS(dir+".root")))
	require.NoError(t, os.Chmod(other+".root/passphrase", 0o600))
	require.NoError(t, os.Chmod(other+".root/root.key", 0o600))
	a, b = hostOf(t, dir), hostOf(t, other)
	require.NoError(t, a.settle())
	require.NoError(t, b.settle())
	return a, b, dsn
}

// What a ceremony on one host changed is deposited, and the others take it over: the
// same files, on record once. Whoever killed one of them while it wrote finds the CA
// of before, which takes over what is left.
func TestCustody(t *testing.T) {
	t.Parallel()
	a, b, _ := twoHosts(t)
	_, _, err := try(t, rotateArgs(a.dir)...)
	require.NoError(t, err)
	require.False(t, b.stale(t.Context()))
	require.NoError(t, a.settle())
	require.True(t, b.stale(t.Context()))

	stored, err := b.store.Deposit(t.Context())
	require.NoError(t, err)
	ours, err := openSecrets(b.layout, b.config)
	require.NoError(t, err)
	for n := range 6 { // of the five files that changed
		p, err := b.read(stored, ours.sealer)
		require.NoError(t, err)
		killed := errors.New("killed")
		err = p.write(b.layout, func(name string, text []byte) error {
			if n--; n < 0 {
				return killed
			}
			return replaceFile(name, text)
		})
		if err != nil {
			require.ErrorIs(t, err, killed)
		}
		now, err := openSecrets(b.layout, b.config)
		require.NoError(t, err)
		require.NoError(t, now.check())
	}
	require.NoError(t, b.settle())
	require.False(t, b.stale(t.Context()))
	require.Equal(t, a.files(), b.files())
	require.Equal(t, 1, a.rotated())
	require.Empty(t, b.aside())

	_, _, err = try(t, "root", "sign-crl", "--dir", b.dir, "--root-key", b.dir+".root/root.key")
	require.NoError(t, err)
	require.NoError(t, b.settle())
	require.NoError(t, a.settle())
	require.Equal(t, a.files(), b.files())
}

// Of ceremonies that were held on two hosts at once the one stands that was deposited
// first; the other is told of, and its files are kept.
func TestCustodyConflict(t *testing.T) {
	t.Parallel()
	a, b, _ := twoHosts(t)
	for _, h := range []*host{a, b} {
		_, _, err := try(t, rotateArgs(h.dir)...)
		require.NoError(t, err)
	}
	second := b.files()
	require.NoError(t, a.settle())
	require.NoError(t, b.settle())
	require.Equal(t, a.files(), b.files())
	require.Empty(t, a.aside())
	require.Len(t, b.aside(), 1)
	for name, text := range second {
		kept, err := os.ReadFile(filepath.Join(b.aside()[0], name))
		require.NoError(t, err)
		require.Equal(t, text, kept)
	}
	require.Equal(t, 1, b.rotated())
}

// Who owns the database cannot take a rotation back, nor put keys of his own in the
// place of ours: whoever has ours deposits them again.
func TestCustodyAttacked(t *testing.T) {
	t.Parallel()
	a, b, dsn := twoHosts(t)
	first := depositOf(t, dsn)
	_, _, err := try(t, rotateArgs(a.dir)...)
	require.NoError(t, err)
	require.NoError(t, a.settle())
	require.NoError(t, b.settle())
	want := b.files()
	for _, content := range [][]byte{first, []byte("x"), edited(t, depositOf(t, dsn), func(p *deposit) { delete(p.Files, "issuers.json") })} {
		execute(t, dsn, `UPDATE deposit SET content = $1, version = 1`, content)
		require.True(t, b.stale(t.Context()))
		require.NoError(t, b.settle())
		require.NoError(t, a.settle())
		require.Equal(t, want, a.files())
		require.Equal(t, want, b.files())
		s, err := unwrapDeposit(depositOf(t, dsn))
		require.NoError(t, err)
		ours, err := openSecrets(a.layout, a.config)
		require.NoError(t, err)
		require.NoError(t, s.genuine(ours.sealer))
	}
}

// A host that cannot open what another deposited goes on as it was, says so, and does
// not try it all the time.
func TestCustodyAnotherPassphrase(t *testing.T) {
	t.Parallel()
	a, b, _ := twoHosts(t)
	reencrypt(t, b.layout, []byte("of its own"))
	replace(t, b.dir+".passphrase", []byte("of its own"))
	before := b.files()
	_, _, err := try(t, rotateArgs(a.dir)...)
	require.NoError(t, err)
	require.NoError(t, a.settle())
	require.True(t, b.stale(t.Context()))
	require.NoError(t, b.Health())
	require.ErrorContains(t, b.settle(), "wrong passphrase")
	require.False(t, b.stale(t.Context()))
	require.True(t, b.unsettled())
	require.ErrorContains(t, b.Health(), "wrong passphrase")
	require.Equal(t, before, b.files())
	left, err := filepath.Glob(filepath.Join(b.dir, ".betonica-*"))
	require.NoError(t, err)
	require.Empty(t, left)

	ours, err := openSecrets(b.layout, b.config)
	require.NoError(t, err)
	require.Same(t, ours, b.begin(context.WithoutCancel(t.Context()), ours), "it starts all the same")
}
