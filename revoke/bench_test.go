package revoke_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/ocsp"
	"github.com/betonica/betonica/revoke/revoketest"
	"github.com/betonica/betonica/store/storetest"
)

// BenchmarkBatch ends a hundred thousand identities, 500 a call as the tool does, while
// machines enrol: how long it takes, until the full list has all, and what the others
// wait meanwhile.
func BenchmarkBatch(b *testing.B) {
	const many, atOnce = 100_000, 500
	for b.Loop() {
		dsn := storetest.SQLite(b)
		c := enrolltest.Open(b, dsn)
		w := revoketest.New(b, c)
		populate(b, dsn, many)

		var stop atomic.Bool
		enrolled := make(chan []time.Duration)
		go func() {
			var took []time.Duration
			for i := 0; !stop.Load(); i++ {
				name := fmt.Sprintf("new-%d", i)
				token := c.Token(enroll.TokenRequest{Role: "device", Name: name})
				csr := enrolltest.CSR(b, enrolltest.NewKey(b))
				begin := time.Now()
				if _, err := c.Enroll(b.Context(), token, home, csr); err != nil {
					b.Error(err)
				}
				took = append(took, time.Since(begin))
			}
			enrolled <- took
		}()
		begin := time.Now()
		for i := 0; i < many; i += atOnce {
			var items []revoke.Item
			for n := range atOnce {
				items = append(items, revoke.Item{Identity: fmt.Sprintf("device/pump-%d", i+n), Reason: crl.KeyCompromise})
			}
			results, err := w.Revoker.Batch(b.Context(), root, items, false)
			require.NoError(b, err)
			for _, r := range results {
				require.NoError(b, r.Err)
			}
		}
		b.ReportMetric(time.Since(begin).Seconds(), "s/100k")
		stop.Store(true)
		took := <-enrolled
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms/enrolment")
		require.Eventually(b, func() bool {
			list, err := crl.Open(w.Publisher.Full().DER, c.Authority.Certificate())
			return err == nil && list.Entries().Len() == many
		}, time.Minute, 10*time.Millisecond)
		b.ReportMetric(time.Since(begin).Seconds(), "s/full-list")
		w.Stop()
	}
}

// populate gives so many identities a certificate each, past the funnel, which would
// take longer than what is measured.
func populate(b *testing.B, dsn string, many int) {
	db := raw(b, dsn)
	path, _ := strings.CutPrefix(dsn, "sqlite:")
	require.NotEmpty(b, path)
	const n = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $1 - 1) `
	at := time.Now().UnixMilli()
	for _, query := range []string{
		n + `INSERT INTO identities (path, role, name, owner, state, revision, suspect, created_at, changed_at, dns, ips)
			SELECT 'device/pump-' || i, 'device', 'pump-' || i, '', 'active', 1, FALSE, $2, $2, '', '' FROM n`,
		n + `INSERT INTO certificates (serial, identity, not_before, not_after, spki, method, policy_version, der, issuer)
			SELECT unhex(printf('01a2%028x', i * 7919)), 'device/pump-' || i, $2, $2 + 86400000, zeroblob(32), 'token', 1, zeroblob(800), 1 FROM n`,
	} {
		_, err := db.Exec(query, many, at)
		require.NoError(b, err)
	}
}

// BenchmarkHit answers OCSP from memory: what nearly every question costs, without
// the network.
func BenchmarkHit(b *testing.B) {
	c := enrolltest.New(b)
	w := revoketest.New(b, c)
	cert, _ := w.Enrol("device/pump-1")
	issuer, err := ocsp.NewIssuer(c.Authority.Certificate())
	require.NoError(b, err)
	req, err := issuer.NewRequest(cert.SerialNumber.Bytes(), nil)
	require.NoError(b, err)
	der := req.Marshal()
	b.ReportAllocs()
	for b.Loop() {
		w.Responder.ServeHTTP(nowhere{http.Header{}}, ocspRequest(der))
	}
}
