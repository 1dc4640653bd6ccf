package main_test

import (
	"context"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	betonicad "github.com/betonica/betonica/cmd/betonicad"
	"github.com/betonica/betonica/enroll"
)

// generations is how many live certificates each identity of a filled store has:
// it enrolled once, and renewed.
const generations = 10

// fillers is how many machines enrol and renew at once.
const fillers = 64

// fillPolicy lets certificates live until after the measurement, also of a store
// that was filled some months before.
const fillPolicy = `
[role.device]
lifetime = "365d"
`

// newSizedCA makes a CA whose certificates last.
func newSizedCA(b *testing.B, dir, dsn string) {
	args := []string{"init", "--dir", dir, "--trust-domain", trustDomain}
	if dsn != "" {
		args = append(args, "--dsn", dsn)
	}
	run(b, "betonicad", args...)
	require.NoError(b, os.WriteFile(filepath.Join(dir, "policy.toml"), []byte(fillPolicy), 0o600))
	d, err := start(dir) // which puts the policy in force
	require.NoError(b, err)
	require.NoError(b, d.stop())
}

// fillTo brings the store of a CA whose daemon does not run to n live certificates
// of n/10 identities, through the funnel itself: tokens are made, spent for a CSR,
// and each certificate is renewed into the next. Only HTTP and TLS are left out. It
// goes on where a run before it was stopped.
func fillTo(b *testing.B, dir string, n int) {
	registrar, db, err := betonicad.OpenRegistrar(b.Context(), dir)
	require.NoError(b, err)
	counts, err := db.CountByIssuer(b.Context(), time.Now())
	require.NoError(b, err)
	have := 0
	for _, c := range counts {
		have += int(c.Live)
	}
	ctx, stop := context.WithCancel(b.Context())
	var beside sync.WaitGroup
	beside.Go(func() { db.Run(ctx) })
	beside.Go(func() { registrar.Run(ctx) })

	began := time.Now()
	var left, made atomic.Int64
	left.Store(int64(n-have+generations-1) / generations)
	var wg sync.WaitGroup
	for range fillers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := machine(ctx, registrar); err != nil {
					b.Error(err)
					return
				}
				if n := made.Add(generations); n%100_000 == 0 {
					b.Logf("%s: %d certificates, %.0f a second", time.Now().Format(time.TimeOnly), n, float64(n)/time.Since(began).Seconds())
				}
			}
		})
	}
	wg.Wait()
	stop()
	beside.Wait()
	require.NoError(b, db.Close())
	if n := made.Load(); n > 0 {
		b.Logf("filled with %d certificates in %s: %.0f a second", n, time.Since(began).Round(time.Second), float64(n)/time.Since(began).Seconds())
	}
}

// machine is the life of one machine: it enrols, and renews.
func machine(ctx context.Context, r *enroll.Registrar) error {
	from := netip.MustParseAddr("10.20.0.1")
	token, err := r.CreateToken(ctx, enroll.Actor{Name: "uid:0", Root: true}, enroll.TokenRequest{Role: "device", Name: "f-" + randomName()})
	if err != nil {
		return err
	}
	first, err := makeRequest()
	if err != nil {
		return err
	}
	cert, err := r.Enroll(ctx, token.String(), from, first.csr)
	for range generations - 1 {
		if err != nil {
			return err
		}
		cert, err = renewed(ctx, r, cert, from)
	}
	return err
}

func renewed(ctx context.Context, r *enroll.Registrar, cert *x509.Certificate, from netip.Addr) (*x509.Certificate, error) {
	holder, err := r.Holder(ctx, cert, from)
	if err != nil {
		return nil, err
	}
	next, err := makeRequest()
	if err != nil {
		return nil, err
	}
	return r.Renew(ctx, holder, next.csr)
}
