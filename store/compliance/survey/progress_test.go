package survey_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/compliance/survey"
)

// told is what was told of a progress.
type told struct{ done, total int64 }

// What is told of a survey is work that was done, on certificates and records, and what
// there is to do is known from the beginning.
func TestProgress(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		w.enrol("device", "pump-1", "icu")
		w.enrol("device", "pump-2", "icu")
		g := w.guard("gateway/gw-1")
		for range 3 {
			g.ship(w.access("request", pump, "allowed"), w.access("request", pump, "allowed"))
		}
		var all []told
		f, _ := w.survey(func(c *survey.Config) {
			c.Progress = func(done, total int64) { all = append(all, told{done, total}) }
		})
		require.EqualValues(t, 2, f.Certificates.Live)
		require.EqualValues(t, 6, f.Access.Records)
		require.NotEmpty(t, all)
		before := int64(0)
		for _, p := range all {
			require.GreaterOrEqual(t, p.done, before)
			require.EqualValues(t, 2+6, p.total)
			before = p.done
		}
		require.EqualValues(t, 2+6, before)
	})
}

// It is told with the first work, and ten times a second at most, and never says more than
// all: what comes to be meanwhile was not planned.
func TestProgressPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []told
		add := survey.NewProgress(100, func(done, total int64) { all = append(all, told{done, total}) })
		for range 12 {
			add(5)
			time.Sleep(20 * time.Millisecond)
		}
		require.Equal(t, []told{{5, 100}, {30, 100}, {55, 100}}, all)
		time.Sleep(time.Second)
		add(500)
		require.Equal(t, told{100, 100}, all[3])
	})
}
