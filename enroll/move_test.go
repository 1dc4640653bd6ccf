package enroll_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// A move asks the holders of other issuers' certificates evenly over its pace,
// nobody later than without it, and those of its own issuer not at all.
func TestMove(t *testing.T) {
	now := time.Now()
	cert := &x509.Certificate{NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(90 * 24 * time.Hour), AuthorityKeyId: []byte{1}}
	m := &enroll.Move{To: hex.EncodeToString([]byte{2}), Since: now.Add(time.Hour), Pace: 3 * time.Hour}
	var hours [3]int
	for range 3000 {
		var serial [16]byte
		binary.BigEndian.PutUint64(serial[:], uint64(now.UnixMilli())<<16)
		rand.Read(serial[6:])
		cert.SerialNumber = new(big.Int).SetBytes(serial[:])
		at := m.RenewAfter(cert)
		require.Equal(t, at, m.RenewAfter(cert))
		after := at.Sub(m.Since)
		require.GreaterOrEqual(t, after, -time.Second)
		require.Less(t, after, m.Pace+time.Second)
		hours[max(0, min(2, int(after/time.Hour)))]++
	}
	for _, n := range hours {
		require.InDelta(t, 1000, n, 150) // 5.8 standard deviations
	}

	require.True(t, m.Asks(cert))
	m.Pace = 365 * 24 * time.Hour
	require.False(t, m.RenewAfter(cert).After(enroll.RenewAfter(cert)))
	cert.AuthorityKeyId = []byte{2}
	require.False(t, m.Asks(cert))
	require.False(t, (*enroll.Move)(nil).Asks(cert))
}

// Once another issuer issues, whoever renews gets a certificate of its, with its
// chain; what the earlier one issued is answered with the earlier chain, and is
// asked back at the pace of the move. After that it may be the other way round.
func TestNextIssuer(t *testing.T) {
	c := enrolltest.New(t)
	first := c.Authority
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	csr := enrolltest.CSR(t, enrolltest.NewKey(t))
	old, err := c.Enroll(t.Context(), token, netip.Addr{}, csr)
	require.NoError(t, err)
	usual := c.Answer(t.Context(), old, 0).RenewAfter

	second := c.NextAuthority()
	require.NoError(t, c.Issuers.Set(second, []*ca.Authority{first}, nil))
	c.SetMove(&enroll.Move{To: second.IssuerID(), Since: c.Now(), Pace: time.Minute})
	again, err := c.Enroll(t.Context(), token, netip.Addr{}, csr)
	require.NoError(t, err)
	require.Equal(t, old, again)
	answer := c.Answer(t.Context(), again, 0)
	require.Contains(t, answer.Certificate, inPEM(first.Certificate()))
	require.WithinDuration(t, c.Now(), answer.RenewAfter, time.Minute)
	require.True(t, answer.RenewAfter.Before(usual))

	holder, err := c.Holder(t.Context(), old, netip.Addr{})
	require.NoError(t, err)
	renewed, err := c.Renew(t.Context(), holder, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	require.NoError(t, renewed.CheckSignatureFrom(second.Certificate()))
	answer = c.Answer(t.Context(), renewed, 0)
	require.Contains(t, answer.Certificate, inPEM(second.Certificate()))
	require.Equal(t, enroll.RenewAfter(renewed), answer.RenewAfter)

	c.SetMove(nil)
	require.Equal(t, usual, c.Answer(t.Context(), old, 0).RenewAfter)
}

func inPEM(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
}
