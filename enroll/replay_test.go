package enroll_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A policy is tried on what was asked for: what was issued and would be refused, by which
// key of which role, and what was refused and would not be; nothing of it happens.
func TestReplay(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		enrolled(t, c, "device", "p-1")
		enrolled(t, c, "device", "q-2")
		enrolled(t, c, "gateway", "gw")
		require.NoError(t, set(t, c, enrolltest.Policy+"[role.shut]\nnetworks = ['192.0.2.0/24']\n"))
		token := c.Token(enroll.TokenRequest{Role: "shut", Name: "a"})
		_, err := c.Enroll(t.Context(), token, netip.MustParseAddr("203.0.113.9"), enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.Error(t, err)
		before := len(c.Audit("certificate.issue"))

		try := func(text string) map[string]string {
			t.Helper()
			changed := make(map[string]string)
			judged, after := 0, ""
			for {
				part, err := c.Replay(t.Context(), "policy.toml", []byte(text), c.Now().Add(-time.Hour), after)
				require.NoError(t, err)
				judged += part.Judged
				require.Zero(t, part.Unknown)
				for _, r := range part.Changed {
					changed[r.Identity] = "issued"
					if r.Denial != nil {
						changed[r.Identity] = r.Denial.Key
					}
				}
				if after = part.Next; after == "" {
					break
				}
			}
			require.Equal(t, 4, judged)
			return changed
		}
		same := enrolltest.Policy + "[role.shut]\nnetworks = ['192.0.2.0/24']\n"
		require.Empty(t, try(same))
		require.Equal(t, map[string]string{"shut/a": "issued"}, try(enrolltest.Policy+"[role.shut]\n"))
		require.Equal(t, map[string]string{"device/q-2": "names"}, try("[role.device]\nnames = ['p-*']\n[role.gateway]\n[role.shut]\nnetworks = ['192.0.2.0/24']\n"))
		require.Equal(t, map[string]string{"device/p-1": "keys", "device/q-2": "keys"}, try("[role.device]\nkeys = ['P-384']\n[role.gateway]\n[role.shut]\nnetworks = ['192.0.2.0/24']\n"))
		require.Equal(t, map[string]string{"gateway/gw": ""}, try("[role.device]\n[role.shut]\nnetworks = ['192.0.2.0/24']\n"))
		require.Len(t, c.Audit("certificate.issue"), before)
		require.EqualValues(t, 2, c.Policies.Current().Version())

		var bad *api.BadRequestError
		_, err = c.Replay(t.Context(), "policy.toml", []byte("[role"), c.Now(), "")
		require.ErrorAs(t, err, &bad)
		_, err = c.Replay(t.Context(), "policy.toml", nil, c.Now().Add(-100*24*time.Hour), "")
		require.ErrorAs(t, err, &bad)
	})
}

// What was refused for is said by its entry, and of old entries by their words: what names
// and what key were asked for is on record of neither, and what was no matter of the role's
// is not judged.
func TestReplayRefusals(t *testing.T) {
	c := enrolltest.New(t)
	require.NoError(t, set(t, c, enrolltest.Policy+"[role.shut]\nnames = ['a']\n[role.keyed]\nkeys = ['P-384']\n"))
	for _, role := range []string{"shut", "keyed"} {
		require.NoError(t, set(t, c, enrolltest.Policy+"[role.shut]\n[role.keyed]\nkeys = ['P-384']\n"))
		token := c.Token(enroll.TokenRequest{Role: role, Name: "b"})
		require.NoError(t, set(t, c, enrolltest.Policy+"[role.shut]\nnames = ['a']\n[role.keyed]\nkeys = ['P-384']\n"))
		_, err := c.Enroll(t.Context(), token, netip.MustParseAddr("203.0.113.9"), enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.Error(t, err)
	}
	refused := c.Audit("certificate.refuse")
	require.Len(t, refused, 2)
	require.ElementsMatch(t, []any{"names", "keys"}, []any{refused[0].Detail["setting"], refused[1].Detail["setting"]})
	put := func(outcome string, detail map[string]any) {
		detail["method"] = "token"
		require.NoError(t, c.Store.Update(t.Context(), func(*store.Tx) audit.Event {
			return audit.Event{Action: "certificate.refuse", Actor: "shut/c", Subject: "shut/c", Outcome: outcome, Detail: detail}
		}))
	}
	try := func() [3]int {
		part, err := c.Replay(t.Context(), "policy.toml", []byte(enrolltest.Policy+"[role.shut]\n[role.keyed]\n"), c.Now().Add(-time.Hour), "")
		require.NoError(t, err)
		return [3]int{part.Judged, part.Unknown, len(part.Changed)}
	}
	require.Equal(t, [3]int{1, 1, 1}, try())
	put("whatever it says", map[string]any{"setting": "names"})
	require.Equal(t, [3]int{2, 1, 2}, try())
	put(`shut/c may not enroll: role "shut": name "c" is told by nobody`, map[string]any{"setting": ""})
	require.Equal(t, [3]int{2, 1, 2}, try(), "no matter of the role's, whatever its words")
	put(`shut/c may not enroll: role "shut": name "c" is not covered`, map[string]any{})
	require.Equal(t, [3]int{3, 1, 3}, try(), "an old entry")
	put("token was already used", map[string]any{})
	require.Equal(t, [3]int{3, 1, 3}, try())
}

func set(t *testing.T, c *enrolltest.CA, text string) error {
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(text), enroll.AnyVersion)
	return err
}
