package main_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	betonicad "github.com/betonica/betonica/cmd/betonicad"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
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
// of n/10 identities, by the store's own calls: a token is made and spent, and each
// certificate is followed by the one that renews it, each in an Update of its own
// with its key, its lineage and its entry of the log. Each is signed by the issuer,
// for a key of its own. It goes on where a run before it was stopped.
func fillTo(b *testing.B, dir string, n int) {
	db, issuer, signer, err := betonicad.OpenSigned(b.Context(), dir)
	require.NoError(b, err)
	counts, err := db.CountByIssuer(b.Context())
	require.NoError(b, err)
	have := 0
	for _, c := range counts {
		have += int(c.Live)
	}
	policy, err := db.CurrentPolicy(b.Context())
	require.NoError(b, err)
	m, err := newMould(issuer, signer)
	require.NoError(b, err)
	first, err := m.cast(randomName())
	require.NoError(b, err)
	require.NoError(b, first.CheckSignatureFrom(issuer), "what is cast is a certificate of the issuer's")
	f := &filler{db: db, mould: m, policy: policy.Version}
	ctx, stop := context.WithCancel(b.Context())
	var beside sync.WaitGroup
	beside.Go(func() { db.Run(ctx) })

	began := time.Now()
	var left, made atomic.Int64
	left.Store(int64(n-have+generations-1) / generations)
	var wg sync.WaitGroup
	for range fillers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f.machine(ctx); err != nil {
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

// A filler records what machines did.
type filler struct {
	db     *store.DB
	mould  *mould
	policy int64
}

// machine is the life of one: it enrols, and renews.
func (f *filler) machine(ctx context.Context) error {
	name := randomName()
	path := "device/" + name
	token := store.Token{Role: "device", Name: name, Exact: true, MaxUses: 1, Expires: time.Now().Add(time.Hour), CreatedBy: "uid:0"}
	rand.Read(token.Hash[:])
	copy(token.ID[:], token.Hash[:])
	err := f.db.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.CreateIdentity(store.Identity{Path: path, Role: "device", Name: name, State: store.Active})
		tx.InsertToken(token)
		return audit.Event{Action: "token.create", Actor: "uid:0", Subject: path, Outcome: "ok", Detail: map[string]any{"token": token.ID.String()}}
	})
	var parent *store.Serial
	for range generations {
		if err != nil {
			return err
		}
		parent, err = f.issue(ctx, path, token.ID, parent)
	}
	return err
}

// issue records one certificate, of the token or of the parent.
func (f *filler) issue(ctx context.Context, path string, token store.TokenID, parent *store.Serial) (*store.Serial, error) {
	cert, err := f.mould.cast(path[len("device/"):])
	if err != nil {
		return nil, err
	}
	c := store.NewCertificate(cert)
	c.Identity, c.Revision, c.Policy, c.Method, c.Parent, c.Rekey = path, 1, f.policy, "renew", parent, true
	if parent == nil {
		c.Method, c.Token = "token", &token
	}
	sum := sha256.Sum256(cert.Raw)
	err = f.db.Update(ctx, func(tx *store.Tx) audit.Event {
		proof := "token:" + token.String()
		if parent == nil {
			tx.SpendToken(token)
		} else {
			tx.RecordChild(*parent, c.Serial, nil)
			proof = "certificate:" + parent.String()
		}
		tx.InsertCertificate(c)
		return audit.Event{Action: "certificate.issue", Actor: path, Subject: path, Address: "10.20.0.1", Outcome: "ok", Detail: map[string]any{
			"serial": c.Serial.String(), "sha256": hex.EncodeToString(sum[:]), "method": c.Method, "proof": proof, "policy": f.policy,
		}}
	})
	return &c.Serial, err
}

// A mould is a certificate of the issuer's, into which another serial, key and
// name of the same lengths are put before it is signed anew: crypto/x509 would build
// each from the ground, and check its own signature, which is half of its cost.
type mould struct {
	tbs, algorithm []byte
	serial, key    []byte
	name           string
	signer         crypto.Signer
}

func newMould(issuer *x509.Certificate, signer crypto.Signer) (*mould, error) {
	m := &mould{serial: newSerial(time.Now()), name: randomName(), signer: signer}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if m.key, err = key.PublicKey.Bytes(); err != nil {
		return nil, err
	}
	base := "http://ca.test.example:8080"
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(m.serial), NotBefore: time.Now().Add(-5 * time.Minute), NotAfter: time.Now().AddDate(1, 0, 0),
		Subject:               pkix.Name{CommonName: m.name, OrganizationalUnit: []string{"device"}, Organization: []string{trustDomain}},
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: trustDomain, Path: "/device/" + m.name}},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		CRLDistributionPoints: []string{base + "/crl/" + hex.EncodeToString(issuer.SubjectKeyId) + "/full.crl"},
		OCSPServer:            []string{base + "/ocsp"},
		BasicConstraintsValid: true,
	}, issuer, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	var parts struct{ TBS, Algorithm, Signature asn1.RawValue }
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		return nil, err
	}
	m.tbs, m.algorithm = parts.TBS.FullBytes, parts.Algorithm.FullBytes
	return m, nil
}

// cast returns a certificate for the machine, with a key that nobody keeps.
func (m *mould) cast(name string) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	tbs := bytes.ReplaceAll(m.tbs, []byte(m.name), []byte(name))
	tbs = bytes.Replace(tbs, m.key, public, 1)
	tbs = bytes.Replace(tbs, m.serial, newSerial(time.Now()), 1)
	digest := sha256.Sum256(tbs)
	signature, err := m.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	der, err := asn1.Marshal(struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, asn1.RawValue{FullBytes: m.algorithm}, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func newSerial(now time.Time) []byte {
	serial := make([]byte, 16)
	rand.Read(serial)
	return append(binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli())<<16|uint64(serial[6])<<8|uint64(serial[7])), serial[8:]...)
}
