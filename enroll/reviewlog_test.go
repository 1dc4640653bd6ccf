package enroll_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store/review"
)

// A review of the log is a person's, for whom somebody answers, and not of one who is the
// only one that did anything; its entry says to the entry what was covered.
func TestReviewLog(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		w := newWorld(t, c, [2]string{"auditor/ines", "AUDIT"}, [2]string{"auditor/nobodys", ""})
		part := func(acts ...review.Act) *review.Summary {
			return &review.Summary{
				Since: c.Now().Add(-review.Week), Until: c.Now(), First: 3, Last: 7, Root: "abc=", Acts: acts,
				Groups: []review.Group{{Name: "refusals", Count: 4}}, Again: true,
			}
		}
		rec, err := c.ReviewLog(t.Context(), w.cleo, part(review.Act{Person: "uid:0", Count: 2}, review.Act{Person: "auditor/ines", Count: 3}), " two pumps, ticket 4711 ")
		require.NoError(t, err)
		require.Equal(t, []int64{5, 3}, []int64{rec.Acts, rec.Own}, "Ines has the same owner")
		all := c.Audit("audit.review")
		require.Len(t, all, 1)
		require.Equal(t, "auditor/cleo", all[0].Actor)
		require.Equal(t, "two pumps, ticket 4711", all[0].Detail["word"])
		past, err := review.Past(t.Context(), c.Store, c.Now())
		require.NoError(t, err)
		require.Len(t, past.Done, 1)
		require.Equal(t, all[0].Seq, past.Done[0].Entry)
		require.Equal(t, map[string]int64{"refusals": 4}, past.Done[0].Groups)
		rec.Since, rec.Until = past.Done[0].Since, past.Done[0].Until
		require.Equal(t, rec, past.Done[0].Record)

		_, err = c.ReviewLog(t.Context(), w.cleo, part(), "nobody did anything")
		require.NoError(t, err)
		refused := len(c.Audit("admin.refuse"))
		for name, tt := range map[string]struct {
			by enroll.Actor
			s  *review.Summary
		}{
			"root":                    {enrolltest.Root, part()},
			"without an owner":        {w.all["auditor/nobodys"], part()},
			"his own acts":            {w.cleo, part(review.Act{Person: "auditor/cleo", Count: 3})},
			"his own and his owner's": {w.cleo, part(review.Act{Person: "auditor/cleo", Count: 3}, review.Act{Person: "auditor/ines", Count: 1})},
		} {
			_, err := c.ReviewLog(t.Context(), tt.by, tt.s, "fine")
			var denied *ca.DeniedError
			require.ErrorAs(t, err, &denied, name)
		}
		require.Len(t, c.Audit("admin.refuse"), refused+4)
		var bad *api.BadRequestError
		for _, word := range []string{"", " ", "x\x1b[2J", strings.Repeat("a", 1001)} {
			_, err := c.ReviewLog(t.Context(), w.cleo, part(), word)
			require.ErrorAs(t, err, &bad)
		}
		damaged := part()
		damaged.Root = ""
		_, err = c.ReviewLog(t.Context(), w.cleo, damaged, "fine")
		var conflict *enroll.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Len(t, c.Audit("audit.review"), 2)
	})
}
