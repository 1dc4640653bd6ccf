package main_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	betonicad "github.com/betonica/betonica/cmd/betonicad"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// fill writes n enrolments into the store of a daemon that it stops meanwhile,
// by the store's own calls, with all that an enrolment writes: identity, token,
// certificate, key, audit entry. Only that nobody signed the certificates: they
// are all the bytes of one that the daemon issued, under other serials.
func (d *bench) fill(b *testing.B, n int) {
	dir := d.dir
	model := d.model(b)
	require.NoError(b, d.stop())
	db, err := betonicad.OpenStore(b.Context(), dir)
	require.NoError(b, err)
	policy, err := db.CurrentPolicy(b.Context())
	require.NoError(b, err)

	began := time.Now()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := past(b.Context(), db, policy.Version, model); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.NoError(b, db.Close())
	b.Logf("%d certificates of history in %s", n, time.Since(began).Round(time.Second))
	d.daemon = serve(b, dir)
}

// model enrols one machine, and returns its certificate in DER.
func (d *bench) model(b *testing.B) []byte {
	work := d.prepare(b, 1)
	c, err := dial(d.HTTPS, d.roots)
	require.NoError(b, err)
	defer c.Close()
	status, chain, err := c.post(api.PathEnroll, work[0].token, work[0].csr)
	require.NoError(b, expect(http.StatusCreated)(status, chain, err))
	own, err := work[0].certificate(chain)
	require.NoError(b, err)
	return own.Certificate[0]
}

// past records one enrolment.
func past(ctx context.Context, db *store.DB, policy int64, der []byte) error {
	name := "h-" + randomName()
	path := "device/" + name
	now := time.Now()
	token := store.Token{Role: "device", Name: name, Exact: true, MaxUses: 1, Expires: now.Add(time.Hour), CreatedBy: "uid:0"}
	rand.Read(token.Hash[:])
	copy(token.ID[:], token.Hash[:])
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	c := store.Certificate{
		Issuer: hex.EncodeToString(cert.AuthorityKeyId), Identity: path, Revision: 1, Policy: policy, Method: "token", Token: &token.ID,
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(24 * time.Hour), DER: der,
	}
	rand.Read(c.Serial[:])
	binary.BigEndian.PutUint64(c.Serial[:8], uint64(now.UnixMilli())<<16|uint64(c.Serial[6])<<8|uint64(c.Serial[7]))
	rand.Read(c.SPKI[:])
	sum := sha256.Sum256(der)
	return db.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.CreateIdentity(store.Identity{Path: path, Role: "device", Name: name, State: store.Active})
		tx.InsertToken(token)
		tx.SpendToken(token.ID)
		tx.InsertCertificate(c)
		return audit.Event{Action: "certificate.issue", Actor: path, Subject: path, Address: "127.0.0.1", Outcome: "ok", Detail: map[string]any{
			"serial": c.Serial.String(), "sha256": hex.EncodeToString(sum[:]), "method": c.Method, "proof": "token:" + token.ID.String(), "policy": policy,
		}}
	})
}
