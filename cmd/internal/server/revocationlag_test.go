package server

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store"
)

// A revocation is measured until a delta has its number, be it a later one's; of many
// at once the slowest counts, and an issuer's delta says nothing of another's.
func TestRevocationLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewRevocationLag()
		revoked := func(issuer string, number int64) {
			l.Revoked([]store.Revocation{{Issuer: issuer, Number: number}})
		}
		measured := func() (n int, sum float64) {
			var m dto.Metric
			require.NoError(t, l.seconds.(prometheus.Metric).Write(&m))
			return int(m.GetHistogram().GetSampleCount()), m.GetHistogram().GetSampleSum()
		}
		revoked("a", 7)
		time.Sleep(time.Second) // synctest's clock
		l.Published("b", 8)
		l.Published("a", 6)
		n, _ := measured()
		require.Zero(t, n)
		revoked("a", 9)
		time.Sleep(time.Second)
		l.Published("a", 8)
		n, sum := measured()
		require.Equal(t, 1, n)
		require.InDelta(t, 2, sum, 1e-9)
		l.Published("a", 9)
		l.Published("a", 10)
		n, sum = measured()
		require.Equal(t, 2, n)
		require.InDelta(t, 3, sum, 1e-9)
	})
}
