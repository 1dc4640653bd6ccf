package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
)

// The number of a proposal is read as people write it, and a machine's code is none.
func TestParseProposal(t *testing.T) {
	id := [5]byte{0x3f, 0xe6, 0x40, 0x23, 0x54}
	text := api.ProposalCode(id)
	require.Equal(t, "P-7ZK4-08TM", text)
	for _, s := range []string{text, "p-7zk4-08tm", " P7ZK408TM", "P 7ZK4 O8TM"} {
		got, err := api.ParseProposal(s)
		require.NoError(t, err, s)
		require.Equal(t, id, got, s)
	}
	for _, s := range []string{"", "P", "P-", "7ZK4-08TM", "P7ZK-408T", "P-7ZK4-08TMX", "P-7ZK4-08T!", "Q-7ZK4-08TM"} {
		_, err := api.ParseProposal(s)
		require.ErrorIs(t, err, api.ErrProposal, s)
	}
}

// FuzzParseProposal: what is read is written in one way, which is read as the same; and
// no text is both a proposal's number and a machine's code.
func FuzzParseProposal(f *testing.F) {
	f.Add("P-7ZK4-08TM")
	f.Add("7ZK4-08TM")
	f.Add("p o i l 0 0 0 0 0")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := api.ParseProposal(text)
		if err != nil {
			return
		}
		again, err := api.ParseProposal(api.ProposalCode(id))
		require.NoError(t, err)
		require.Equal(t, id, again)
		_, err = api.ParseCode(text)
		require.Error(t, err)
	})
}
