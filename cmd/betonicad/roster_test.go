package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/enroll"
)

// Who issues, and whether machines are asked, follows from the state of the move and
// the time alone.
func TestMoveStates(t *testing.T) {
	t.Parallel()
	begins := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		state         moveState
		before, after string // who issues
		asks          bool   // afterwards
	}{
		{moveOn, "a", "b", true},
		{moveStopped, "a", "b", false},
		{moveHeld, "a", "a", false},
		{moveBack, "a", "a", false},
	} {
		r := &roster{
			Intermediates: []member{{ID: "a"}, {ID: "b"}},
			Move:          &move{From: "a", To: "b", Begins: begins, Since: begins, Pace: pace(time.Hour), State: tt.state},
		}
		require.Equal(t, tt.before, r.issuing(begins.Add(-time.Second)), tt.state)
		require.Equal(t, tt.after, r.issuing(begins), tt.state)
		require.Nil(t, moveOf(r, begins.Add(-time.Second)), tt.state)
		want := &enroll.Move{To: "b", Since: begins, Pace: time.Hour}
		if !tt.asks {
			want = nil
		}
		require.Equal(t, want, moveOf(r, begins), tt.state)
		r.Move.Pace = 0
		require.Nil(t, moveOf(r, begins), tt.state)

		text, err := json.Marshal(r)
		require.NoError(t, err)
		var again roster
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, r, &again)
	}
}

// An intermediate rests once nothing of its is in time, unless it issues or is to:
// then everything of it is still answered for.
func TestWhoRests(t *testing.T) {
	t.Parallel()
	h, err := ca.Create(ca.CreateConfig{TrustDomain: "test.example"})
	require.NoError(t, err)
	root, err := ca.NewRoot(h.Root, h.RootKey, nil)
	require.NoError(t, err)
	s := &secrets{root: h.Root, roster: &roster{}}
	i := &issuance{config: &server.Config{}, url: "http://ca.test.example", authorities: map[string]*ca.Authority{}}
	for n := range 3 {
		id := string(rune('a' + n))
		cert, key, err := root.NextIntermediate(h.Intermediate, nil)
		require.NoError(t, err)
		s.intermediates = append(s.intermediates, intermediate{id: id, certificate: cert, signer: key})
		s.roster.Intermediates = append(s.roster.Intermediates, member{ID: id})
	}
	require.NoError(t, i.openAuthorities(s))
	now := time.Now()
	s.roster.Move = &move{From: "b", To: "c", Begins: now.Add(time.Hour), State: moveOn}
	for _, tt := range []struct {
		name    string
		at      time.Time
		live    map[string]bool
		issues  string
		others  string
		resting int
	}{
		{"nothing is known", now, nil, "b", "ac", 0},
		{"all have something", now, map[string]bool{"a": true, "b": true, "c": true}, "b", "ac", 0},
		{"nothing is in time", now, map[string]bool{}, "b", "c", 1},
		{"the next one issues", now.Add(2 * time.Hour), map[string]bool{"b": true, "c": true}, "c", "b", 1},
		{"all is moved", now.Add(2 * time.Hour), map[string]bool{"c": true}, "c", "", 2},
		{"all have ended", now.AddDate(6, 0, 0), nil, "", "", 3},
	} {
		current, others, resting := i.sorted(s, tt.at, tt.live)
		name := func(a *ca.Authority) string {
			for id, known := range i.authorities {
				if a == known {
					return id
				}
			}
			return ""
		}
		got := ""
		for _, a := range others {
			got += name(a)
		}
		require.Equal(t, tt.issues, name(current), tt.name)
		require.Equal(t, tt.others, got, tt.name)
		require.Len(t, resting, tt.resting, tt.name)
	}
}
