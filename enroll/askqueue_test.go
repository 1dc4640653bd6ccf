package enroll_test

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A flood from one network fills that network's queue, from all of a site's a quarter of
// the role's, and from many the role's; whoever comes then is told to come later, and that
// is counted.
func TestAskQueues(t *testing.T) {
	c := askCA(t)
	from := func(addr string) error {
		_, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: netip.MustParseAddr(addr), Role: "device", Ask: true})
		return err
	}
	full := func(err error) *enroll.QueueError {
		var e *enroll.QueueError
		require.ErrorAs(t, err, &e)
		require.Positive(t, e.RetryAfter)
		require.LessOrEqual(t, e.RetryAfter, 15*time.Minute)
		return e
	}
	for i := range 16 {
		pending(t, from(fmt.Sprintf("203.0.113.%d", i)))
	}
	full(from("203.0.113.200"))
	pending(t, from("203.0.112.200"))
	require.Len(t, c.Audit("request.create"), 17, "whoever finds no room is not on record but as refused")
	for i := range 16 {
		pending(t, from(fmt.Sprintf("2001:db8::%d", i+1)))
	}
	full(from("2001:db8::aaaa:1:2:3"))
	pending(t, from("2001:db8:0:1::1"))
	require.EqualValues(t, 2, c.Counts().Refused[enroll.ReasonNetworkQueue])

	for i := range 9 {
		pending(t, from(fmt.Sprintf("2001:db8:7:%x::1", 0xfff8+i/2)))
	}
	require.NoError(t, fill(t, c, 250-9, "2001:db8:7::/48 %04x"))
	require.Contains(t, full(from("2001:db8:7:ffff::1")).Error(), "250 requests of its site")
	pending(t, from("2001:db8:6:ffff::1"))
	pending(t, from("2001:db8:8::1"))
	require.EqualValues(t, 3, c.Counts().Refused[enroll.ReasonNetworkQueue])

	require.NoError(t, fill(t, c, 1000-34-252, "n%d"))
	require.Contains(t, full(from("198.18.0.1")).Error(), "1000 requests for its role")
	require.EqualValues(t, 1, c.Counts().Refused[enroll.ReasonRoleQueue])
	waiting, err := c.Waiting(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]int{"device": 1000, "pair": 0, "near": 0}, waiting)
	c.Advance(24 * time.Hour)
	pending(t, from("203.0.113.200"))
}

// fill puts requests of many networks on record.
func fill(t *testing.T, c *enrolltest.CA, n int, networks string) error {
	return c.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
		for i := range n {
			q := store.Request{CSR: []byte{1}, Nonce: []byte{1}, Role: "device", Network: fmt.Sprintf(networks, i), Expires: c.Now().Add(24 * time.Hour)}
			rand.Read(q.ID[:])
			rand.Read(q.SPKI[:])
			tx.InsertRequest(q, 16, 1000, 1000)
		}
		return audit.Event{Action: "test.fill", Actor: "self", Outcome: "ok"}
	})
}

// The longer a machine has waited, the more seldom it asks; and not all at the same time.
func TestPollAfter(t *testing.T) {
	c := askCA(t)
	_, key := waits(t, c)
	last := time.Duration(0)
	for _, tt := range []struct{ age, least, most time.Duration }{
		{0, 5 * time.Second, 8 * time.Second}, {10 * time.Minute, 75 * time.Second, 113 * time.Second},
		{time.Hour, 450 * time.Second, 675 * time.Second}, {23 * time.Hour, 10 * time.Minute, 15 * time.Minute},
	} {
		c.Advance(tt.age - last)
		last = tt.age
		_, err := ask(t, c, key)
		p := pending(t, err)
		require.GreaterOrEqual(t, p.RetryAfter, tt.least, tt.age)
		require.LessOrEqual(t, p.RetryAfter, tt.most, tt.age)
		require.Equal(t, int(p.RetryAfter/time.Second), p.Answer().PollAfter)
	}
	spread := map[time.Duration]bool{}
	for range 16 {
		key := enrolltest.NewKey(t)
		_, err := c.Admit(t.Context(), enroll.Claim{CSR: enrolltest.CSR(t, key), From: netip.MustParseAddr("203.0.113.1"), Role: "device", Ask: true})
		pending(t, err)
		c.Advance(8 * time.Minute)
		_, err = c.Admit(t.Context(), enroll.Claim{CSR: enrolltest.CSR(t, key), From: netip.MustParseAddr("203.0.113.1"), Role: "device", Ask: true})
		spread[pending(t, err).RetryAfter] = true
	}
	require.Greater(t, len(spread), 4)
}
