package ca

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// No rule acts unless the policy says so, by a name that is a rule's; that one acts no more
// lets more through.
func TestActs(t *testing.T) {
	none, both := parsed(t, "[role.pump]"), parsed(t, "[role.pump]\n[alerts]\nact = ['A02', 'B04']")
	require.False(t, none.Acts("A02"))
	require.True(t, both.Acts("A02"))
	require.False(t, both.Acts("A03"))
	require.Empty(t, Widenings(none, both))
	require.Len(t, Widenings(both, none), 2)
	require.Equal(t, "alerts.act: whoever A02 is about is not suspended any more", Widenings(both, none)[0].String())
	for text, want := range map[string]string{
		"[alerts]\nact = ['A02', 'A2']":  `policy:2:15: act: no rule "A2" can act; there are ["A02" "B04"]`,
		"[alerts]\nact = ['F02']":        `policy:2:8: act: no rule "F02" can act`,
		"[alerts]\nact = ['A02', 'A02']": `policy:2:15: act: rule "A02" is there twice`,
		"[alerts]\nacts = []":            "acts",
	} {
		_, err := ParsePolicy("policy", []byte(text))
		require.ErrorContains(t, err, want)
	}
}
