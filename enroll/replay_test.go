package enroll_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
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

func set(t *testing.T, c *enrolltest.CA, text string) error {
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(text), enroll.AnyVersion)
	return err
}
