package enroll_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// reenroll presents parent, and asks for the names of it and a certificate for key.
func reenroll(t *testing.T, c *enrolltest.CA, parent *x509.Certificate, csr []byte) (*x509.Certificate, error) {
	holder, err := c.Holder(t.Context(), parent, home)
	if err != nil {
		return nil, err
	}
	return c.Reenroll(t.Context(), holder, csr, enroll.Terms{Channel: enroll.ChannelUnbound, SameNames: true})
}

// A client may keep its key, and its certificates know their parents all the same: a
// lost reply is sent again, and an old certificate that asks once more is a fork.
func TestReenrollKeepsKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		key := enrolltest.NewKey(t)
		first, err := c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}), home, enrolltest.CSR(t, key))
		require.NoError(t, err)
		csr := enrolltest.Again(t, first, key)
		second, err := reenroll(t, c, first, csr)
		require.NoError(t, err)
		require.NotEqual(t, first.SerialNumber, second.SerialNumber)
		require.Equal(t, first.PublicKey, second.PublicKey)
		again, err := reenroll(t, c, first, csr)
		require.NoError(t, err)
		require.Equal(t, second.Raw, again.Raw)
		require.Empty(t, c.Audit("certificate.fork"))

		third, err := reenroll(t, c, second, csr)
		require.NoError(t, err)
		require.Equal(t, 3, c.Certificates("device/pump-1"))
		require.Empty(t, c.Audit("certificate.fork"))
		_, err = reenroll(t, c, first, csr)
		require.NoError(t, err, "an old certificate: served, and on record")
		require.Len(t, c.Audit("certificate.fork"), 1)
		require.True(t, c.Identity("device/pump-1").Suspect)
		_, err = reenroll(t, c, third, enrolltest.Again(t, first, enrolltest.NewKey(t)))
		require.NoError(t, err, "a new key")
	})
}

// Where the role wants a new key each time, that is so for these clients, too; the
// key of another identity is nobody's; and other names than before are refused, and
// on record.
func TestReenrollRefuses(t *testing.T) {
	c := enrolltest.New(t)
	key := enrolltest.NewKey(t)
	first, err := c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}), home, enrolltest.CSR(t, key))
	require.NoError(t, err)
	other := enrolltest.NewKey(t)
	_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"}), home, enrolltest.CSR(t, other))
	require.NoError(t, err)

	var denied *ca.DeniedError
	_, err = reenroll(t, c, first, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.ErrorAs(t, err, &denied)
	require.ErrorContains(t, err, "subject")
	require.Len(t, c.Audit("certificate.refuse"), 1)
	_, err = reenroll(t, c, first, enrolltest.Again(t, first, other))
	require.ErrorIs(t, err, store.ErrKeyTaken)
	require.True(t, c.Identity("device/pump-1").Suspect)

	_, err = c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\nrekey = \"required\"\n"), c.Policies.Current().Version())
	require.NoError(t, err)
	_, err = reenroll(t, c, first, enrolltest.Again(t, first, key))
	require.ErrorIs(t, err, store.ErrKeyTaken)
	_, err = reenroll(t, c, first, enrolltest.Again(t, first, enrolltest.NewKey(t)))
	require.NoError(t, err)
}

// A request that names another connection is refused by every role, and one that
// names none by those that require it.
func TestReenrollChannel(t *testing.T) {
	c := enrolltest.New(t)
	key := enrolltest.NewKey(t)
	first, err := c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}), home, enrolltest.CSR(t, key))
	require.NoError(t, err)
	holder, err := c.Holder(t.Context(), first, home)
	require.NoError(t, err)
	ask := func(channel enroll.Channel) error {
		_, err := c.Reenroll(t.Context(), holder, enrolltest.Again(t, first, key), enroll.Terms{Channel: channel})
		return err
	}
	var denied *ca.DeniedError
	require.ErrorAs(t, ask(enroll.ChannelOther), &denied)
	require.NoError(t, ask(enroll.ChannelUnbound))
	_, err = c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\nchannel_binding = \"required\"\n"), c.Policies.Current().Version())
	require.NoError(t, err)
	require.ErrorAs(t, ask(enroll.ChannelUnbound), &denied)
	require.NoError(t, ask(enroll.ChannelBound))
	require.Len(t, c.Audit("certificate.refuse"), 2)
	_, err = c.Reenroll(t.Context(), holder, enrolltest.Again(t, first, key), enroll.Terms{Role: "gateway", Channel: enroll.ChannelBound})
	require.ErrorAs(t, err, &denied, "a certificate is of one role")
}
