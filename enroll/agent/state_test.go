package agent

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every state has an answer to every signal: a state that is in the table, or that it
// cannot be. No state is a dead end: each leads to an active certificate, if a person
// helps it on; and what has a certificate never goes back to having none by itself.
func TestTransitions(t *testing.T) {
	all := []State{Unenrolled, Trusting, Keygen, Enrolling, Pending, Staged, Active, Renewing, Rollback, Grace, Denied}
	require.Len(t, transitions, len(all))
	has := map[State]bool{Staged: true, Active: true, Renewing: true, Rollback: true, Grace: true}
	for _, from := range all {
		row, ok := transitions[from]
		require.True(t, ok, from)
		reached := map[State]bool{from: true}
		for range all {
			for s := range reached {
				for _, to := range transitions[s] {
					if to != "" {
						reached[to] = true
					}
				}
			}
		}
		require.True(t, reached[Active], from)
		for on := range signals {
			to, ok := from.next(on)
			require.Equal(t, row[on] != "", ok)
			require.Contains(t, all, to, "%s on %d", from, on)
			if has[from] && on != begun { // somebody enrols it anew
				require.True(t, has[to] || to == Denied, "%s on %d", from, on)
			}
		}
		// These can come at any time.
		for _, on := range []signal{begun, missed, refused, issued} {
			_, ok := from.next(on)
			require.True(t, ok, "%s on %d", from, on)
		}
	}
}

// What an agent said of itself is advice: without it, or with something else in its
// place, what the directory holds says where it stands.
func TestReadStatus(t *testing.T) {
	d := t.TempDir()
	s, err := ReadStatus(d)
	require.NoError(t, err)
	require.Zero(t, s)
	for _, text := range []string{"", "{", `{"state":7}`, "null\x00"} {
		require.NoError(t, disk{}.jot(filepath.Join(d, statusFile), []byte(text)))
		_, err = ReadStatus(d)
		require.Error(t, err, text)
		k, err := newKeeper(Config{Dir: d})
		require.NoError(t, err)
		require.Equal(t, Unenrolled, k.stands())
	}
	require.NoError(t, disk{}.jot(filepath.Join(d, statusFile), []byte(`{"state":"splendid","why":"x"}`)))
	s, err = ReadStatus(d)
	require.NoError(t, err)
	require.Empty(t, s.State)
}
