package admin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// counted is a count, made at noon, of machines of a role at a site that fall after so
// many hours.
func counted(t *testing.T, role, site string, hours ...int) store.LifeCount {
	c := store.LifeCount{Role: role, Site: site, Counted: noon}
	var ends enroll.Ends
	for i, h := range hours {
		away := time.Duration(h) * time.Hour
		ends.Add(away)
		if i == 0 {
			c.First, c.FirstAt = role+"/first", noon.Add(away)
		}
	}
	var err error
	c.Ends, err = ends.MarshalBinary()
	require.NoError(t, err)
	return c
}

// The clock says what the first falls by: its certificate, the list or the list's age;
// and when half have fallen, of all and of each role and site.
func TestSurvival(t *testing.T) {
	counts := []store.LifeCount{
		counted(t, "device", "north", 1, 10, 31, 40),
		counted(t, "device", "south", 9, 50),
		counted(t, "gateway", "", 20),
		counted(t, "sensor", "north"),
	}
	hours := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	list := func(n int) []store.CRL { return []store.CRL{{NextUpdate: hours(100)}, {NextUpdate: hours(n)}} }

	s, err := survivalOf(counts, list(24), 0, noon)
	require.NoError(t, err)
	require.Equal(t, adminapi.BoundCertificate, s.Bound)
	require.Equal(t, hours(24), s.ListEnds)
	require.EqualValues(t, 7, s.All.Devices)
	require.Equal(t, hours(1), s.All.First)
	require.Equal(t, hours(4), s.All.Half, "4 h is what relying parties take")
	require.Equal(t, "device/first", s.All.FirstIdentity)
	require.WithinDuration(t, hours(20), s.All.HalfCertificate, time.Hour)
	require.Len(t, s.Roles, 2)
	require.Equal(t, "device", s.Roles[0].Name)
	require.Equal(t, hours(20), s.Roles[1].FirstCertificate)
	require.Equal(t, []string{"north", "south"}, []string{s.Sites[0].Name, s.Sites[1].Name})
	require.Equal(t, hours(9), s.Sites[1].FirstCertificate)
	require.Equal(t, hours(4), s.Sites[1].First)

	// Two hours later the first has fallen or was renewed: nobody knows, and it is not
	// counted.
	s, err = survivalOf(counts, list(24), 0, hours(2))
	require.NoError(t, err)
	require.Equal(t, adminapi.BoundMaxAge, s.Bound)
	require.EqualValues(t, 6, s.All.Devices)
	require.Equal(t, hours(6), s.All.First)
	require.WithinDuration(t, hours(9), s.All.FirstCertificate, time.Hour/2)

	// Where somebody takes no list that is older than 30 minutes, that is what counts.
	s, err = survivalOf(counts, list(24), 30*time.Minute, noon)
	require.NoError(t, err)
	require.Equal(t, adminapi.BoundMaxAge, s.Bound)
	require.Equal(t, noon.Add(30*time.Minute), s.All.First)
	require.True(t, s.MaxAgeSaid)

	s, err = survivalOf(counts, list(3), 0, hours(2))
	require.NoError(t, err)
	require.Equal(t, adminapi.BoundList, s.Bound)
	require.Equal(t, hours(3), s.All.First)

	s, err = survivalOf(counts[3:], nil, 0, noon)
	require.NoError(t, err)
	require.Zero(t, s.All)
	require.Zero(t, s.ListEnds)
	require.Empty(t, s.Roles)
	counts[0].Ends = []byte{1}
	_, err = survivalOf(counts, nil, 0, noon)
	require.Error(t, err)
}
