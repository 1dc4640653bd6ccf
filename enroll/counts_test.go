package enroll_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// What is issued and what is refused is counted once, under the word for it.
func TestCounts(t *testing.T) {
	c := enrolltest.New(t)
	before := c.Counts()
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	csr := newCSR(t)
	for range 2 { // the same key gets the same certificate again, which is issued once
		_, err := c.Enroll(t.Context(), token, home, csr)
		require.NoError(t, err)
	}
	_, err := c.Enroll(t.Context(), token, home, newCSR(t))
	require.ErrorIs(t, err, enroll.ErrReused)
	_, err = c.Enroll(t.Context(), "bt1.x.y", home, csr)
	require.ErrorIs(t, err, enroll.ErrUnauthenticated)
	_, err = c.Holder(t.Context(), nil, home)
	require.ErrorIs(t, err, enroll.ErrUnauthenticated)
	_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"}), home, []byte("not a CSR"))
	require.Error(t, err)
	_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-3"}), home, csr)
	require.Error(t, err)

	after := c.Counts()
	require.EqualValues(t, 1, after.Issued[ca.MethodToken]-before.Issued[ca.MethodToken])
	want := map[enroll.Reason]int64{
		enroll.ReasonReused: 1, enroll.ReasonToken: 1, enroll.ReasonCertificate: 1, enroll.ReasonRequest: 1, enroll.ReasonKey: 1,
	}
	for reason, n := range after.Refused {
		require.Equal(t, want[reason], n-before.Refused[reason], reason)
	}
	require.Len(t, after.Refused, 15)
}
