package enroll_test

import (
	"crypto/x509"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// However fast strangers are refused, the log grows at its own pace, ten entries a
// second after the first 256, and says how many it does not name.
func TestRefusalsAreBounded(t *testing.T) {
	c := enrolltest.New(t)
	n, start := 0, time.Now()
	for ; n < 1500; n++ {
		_, err := c.Enroll(t.Context(), "bt1.x.y", home, nil)
		require.Error(t, err)
	}
	took := time.Since(start)
	c.Stop()
	named := len(c.Audit("token.refuse"))
	require.GreaterOrEqual(t, named, 256)
	require.LessOrEqual(t, named, 256+2+int(took/(100*time.Millisecond)))
	var dropped int64
	for _, e := range c.Audit("refusals.dropped") {
		count, err := e.Detail["count"].(json.Number).Int64()
		require.NoError(t, err)
		dropped += count
	}
	require.Equal(t, int64(n), int64(named)+dropped)
}

// Five bad tokens a minute from one source, and twenty an hour for one token, are
// answered as such; more are told to wait. A good token passes all the while.
func TestRateLimits(t *testing.T) {
	c := enrolltest.New(t)
	bad := func(token string, from netip.Addr) (time.Duration, error) {
		_, err := c.Enroll(t.Context(), token, from, newCSR(t))
		if limit, ok := err.(*enroll.RateLimitError); ok {
			return limit.RetryAfter, nil
		}
		return 0, err
	}
	for range 5 {
		_, err := bad("bt1.x.y", home)
		require.Equal(t, enroll.ErrUnauthenticated, err)
	}
	wait, err := bad("bt1.x.y", home)
	require.NoError(t, err)
	require.Greater(t, wait, 30*time.Second)
	require.LessOrEqual(t, wait, time.Minute)
	_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}), home, newCSR(t))
	require.NoError(t, err, "a good token passes")
	c.Advance(wait)
	_, err = bad("bt1.x.y", home)
	require.Equal(t, enroll.ErrUnauthenticated, err)

	// One token from everywhere.
	spent := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"})
	_, err = c.Enroll(t.Context(), spent, home, newCSR(t))
	require.NoError(t, err)
	for i := range 20 {
		_, err := bad(spent, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		require.Equal(t, enroll.ErrReused, err)
	}
	wait, err = bad(spent, netip.AddrFrom4([4]byte{10, 0, 0, 99}))
	require.NoError(t, err)
	require.Greater(t, wait, time.Minute)
	require.LessOrEqual(t, wait, time.Hour)
	require.Len(t, c.Audit("token.reuse"), 20)
	c.Stop()
	require.Len(t, c.Audit("token.reuse"), 21, "the others by the queue")
}

// A thief among many behind one address does not keep an alarm down by what else comes
// from there: the identity is suspect, and that is counted and on record, past every limit;
// and once, past it.
func TestAlarmPastLimit(t *testing.T) {
	c := enrolltest.New(t)
	m := born(t, c, "")
	c.Inventory("pump", "pump-1", "SN 1")
	_, chain := m.Device("SN 1")
	_, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
	require.NoError(t, err)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"})
	_, err = c.Enroll(t.Context(), token, home, newCSR(t))
	require.NoError(t, err)
	for range 6 {
		_, err = c.Enroll(t.Context(), "bt1.x.y", home, newCSR(t))
	}
	var limited *enroll.RateLimitError
	require.ErrorAs(t, err, &limited)
	for range 3 {
		_, err = c.Enroll(t.Context(), token, home, newCSR(t))
		require.ErrorAs(t, err, &limited)
		_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
		require.ErrorAs(t, err, &limited)
	}
	for path, action := range map[string]string{"device/pump-2": "token.reuse", "pump/pump-1": "birth.reuse"} {
		require.True(t, c.Identity(path).Suspect, path)
		require.EqualValues(t, 3, c.Counts().Alarms[action], action)
		require.NotEmpty(t, c.Audit(action), action)
	}
}

// What one credential is refused is on record at once, but not as fast as its holder likes:
// past a bound it waits in the queue of strangers, which leaves out what is too much.
func TestRefusedAgainAndAgain(t *testing.T) {
	c := enrolltest.New(t)
	m := born(t, c, "")
	_, bought := m.Device("SN 99") // of the make, and of nobody
	_, other := m.Device("SN 98")
	refused := func(chain []*x509.Certificate) {
		_, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
		deniedSaying(t, err, "not in the inventory")
	}
	for range 60 {
		refused(bought)
	}
	require.Len(t, c.Audit("certificate.refuse"), 60)
	c.Stop() // the queue is not served any more
	for range 20 {
		refused(bought)
	}
	require.Len(t, c.Audit("certificate.refuse"), 60)
	refused(other)
	require.Len(t, c.Audit("certificate.refuse"), 61)
	c.Advance(time.Minute)
	refused(bought)
	require.Len(t, c.Audit("certificate.refuse"), 62)
	require.EqualValues(t, 82, c.Counts().Refused[enroll.ReasonPolicy])
}

// So it is with alarms: who asks with another's key again and again marks himself, and is on
// record sixty times a minute.
func TestAlarmsAgainAndAgain(t *testing.T) {
	c := enrolltest.New(t)
	key := enrolltest.NewKey(t)
	_, err := c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}), home, enrolltest.CSR(t, key))
	require.NoError(t, err)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"})
	csr := enrolltest.CSR(t, key)
	c.Stop()
	for range 70 {
		_, err = c.Enroll(t.Context(), token, home, csr)
		require.ErrorIs(t, err, store.ErrKeyTaken)
	}
	require.True(t, c.Identity("device/pump-2").Suspect)
	require.Len(t, c.Audit("identity.suspect"), 60)
	require.EqualValues(t, 70, c.Counts().Alarms["identity.suspect"])
}

// The addresses of one IPv6 subnet, which one machine may have, are one source;
// an IPv4 address is the same in either of its forms.
func TestSources(t *testing.T) {
	c := enrolltest.New(t)
	for _, next := range []func(i int) netip.Addr{
		func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: byte(i)}) },
		func(i int) netip.Addr {
			v4 := netip.MustParseAddr("192.0.2.1")
			if i%2 == 0 {
				return netip.AddrFrom16(v4.As16())
			}
			return v4
		},
		func(int) netip.Addr { return netip.Addr{} },
	} {
		for i := range 6 {
			_, err := c.Enroll(t.Context(), "", next(i), nil)
			_, limited := err.(*enroll.RateLimitError)
			require.Equal(t, i == 5, limited, err)
		}
	}
}
