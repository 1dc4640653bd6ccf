package admin_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// An auditor is shown a part of the log, and his word about exactly that is on record; what
// came since waits for the next review. Root looks, and is no reviewer.
func TestReviewLog(t *testing.T) {
	f := serve(t, os.Getuid())
	all := f.people(map[string]string{"admin/ada": "IT", "officer/bob": "ward 3", "auditor/cleo": "audit"})
	cleo := all["auditor/cleo"]
	_, err := all["officer/bob"].CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-1"})
	require.NoError(t, err)
	none := func(int64, int64) {}
	shown, err := cleo.GatherReview(t.Context(), adminapi.ReviewFilter{}, none)
	require.NoError(t, err)
	require.EqualValues(t, 1, shown.First)
	require.NotEmpty(t, shown.Groups)
	require.Contains(t, shown.Acts, adminapi.ReviewAct{Person: "officer/bob", Count: 1})
	require.Equal(t, "auditor/cleo", f.Audit("audit.read")[0].Actor, "who looks is on record")

	word := adminapi.LogReviewRequest{First: shown.First, Last: shown.Last, Root: shown.Root, Word: "as the tickets say"}
	for name, status := range map[string]int{"admin/ada": http.StatusForbidden, "officer/bob": http.StatusForbidden, "root": http.StatusForbidden} {
		c := all[name]
		if name == "root" {
			c = f.root()
			_, err := c.GatherReview(t.Context(), adminapi.ReviewFilter{}, none)
			require.NoError(t, err)
		}
		_, err = c.ReviewLog(t.Context(), word)
		require.Equal(t, status, problem(t, err).Status, name)
	}
	other := word
	other.Root = "AAAA"
	_, err = cleo.ReviewLog(t.Context(), other)
	require.Equal(t, http.StatusConflict, problem(t, err).Status)
	done, err := cleo.ReviewLog(t.Context(), word)
	require.NoError(t, err)
	require.Equal(t, []any{"auditor/cleo", shown.First, shown.Last, shown.Root, false}, []any{done.By, done.First, done.Last, done.Root, done.Again})

	f.Advance(8 * 24 * time.Hour)
	next, err := f.root().GatherReview(t.Context(), adminapi.ReviewFilter{}, none)
	require.NoError(t, err)
	require.Equal(t, shown.Last+1, next.First)
	history, err := f.root().Reviews(t.Context())
	require.NoError(t, err)
	require.Len(t, history.Done, 1)
	require.Equal(t, "as the tickets say", history.Done[0].Word)
	require.Len(t, history.Gaps, 1)
	require.Equal(t, shown.Last+1, history.Gaps[0].First)
	require.False(t, history.Late)
	f.Advance(30 * 24 * time.Hour)
	history, err = f.root().Reviews(t.Context())
	require.NoError(t, err)
	require.True(t, history.Late)

	again, err := f.root().GatherReview(t.Context(), adminapi.ReviewFilter{First: 2, Last: 5}, none)
	require.NoError(t, err)
	require.True(t, again.Again)
	for _, filter := range []adminapi.ReviewFilter{
		{First: 1, Last: 1 << 40}, {Since: f.Now().Add(time.Hour), Until: f.Now().Add(2 * time.Hour)},
	} {
		_, err = f.root().GatherReview(t.Context(), filter, none)
		require.Equal(t, http.StatusConflict, problem(t, err).Status)
	}
	for _, filter := range []adminapi.ReviewFilter{{First: 2}, {Last: 2}, {First: 3, Last: 2}, {Until: f.Now()}, {First: 1, Last: 2, Since: f.Now()}, {Since: f.Now(), Until: f.Now().Add(-time.Hour)}} {
		_, err = f.root().GatherReview(t.Context(), filter, none)
		require.Equal(t, http.StatusBadRequest, problem(t, err).Status)
	}
}
