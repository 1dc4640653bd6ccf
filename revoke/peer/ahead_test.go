package peer_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/revoketest"
)

// When deltas move to a newer full list, what they revoke is enforced at once:
// it does not wait until the peer has fetched that list.
func TestAhead(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	gateway, pump, other := newMachine(t, w, "device/gw"), newMachine(t, w, "device/pump-1"), newMachine(t, w, "device/pump-2")
	address := gateway.listen(t)
	c, err := pump.connect(t, address)
	require.NoError(t, err)
	good, err := other.connect(t, address)
	require.NoError(t, err)

	serial, err := crl.SerialOf(pump.source.cert.Leaf.SerialNumber.Bytes())
	require.NoError(t, err)
	revoked, err := crl.Collect(1, func(yield func(crl.Entry, error) bool) {
		yield(crl.Entry{Serial: serial, RevokedAt: time.Now(), Reason: crl.KeyCompromise}, nil)
	})
	require.NoError(t, err)
	const base = 1 << 40
	var delta bytes.Buffer
	require.NoError(t, crl.Encode(&delta, w.Authority.Certificate(), w.IssuingKey,
		crl.Template{Number: base + 1, Base: base, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}, revoked))
	number := gateway.Number()
	require.ErrorIs(t, gateway.Take(delta.Bytes()), crl.ErrBase)
	require.Equal(t, number, gateway.Number())
	cut(t, c)
	_, err = pump.connect(t, address)
	require.Error(t, err)
	require.NoError(t, call(good))
}
