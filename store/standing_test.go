package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store"
)

// What a store may do follows from its own word and from what we signed: anything
// that a newer copy of it must have signed stops it, and nothing older ever does.
func TestJudge(t *testing.T) {
	const here, other = "11", "22"
	for _, tt := range []struct {
		name string
		said store.Said
		seen store.Seen
		want store.Standing
	}{
		{"as always", store.Said{ID: here, CRLNumber: 7}, store.Seen{ID: here}, store.Serves},
		{"from before there were names", store.Said{CRLNumber: 7}, store.Seen{}, store.Serves},
		{"the newest list", store.Said{ID: here, CRLNumber: 7}, store.Seen{ID: here, CRLNumber: 7}, store.Serves},
		{"an old list proves nothing", store.Said{ID: here, CRLNumber: 7}, store.Seen{ID: here, CRLNumber: 3}, store.Serves},
		{"a list with a number never reserved", store.Said{ID: here, CRLNumber: 7}, store.Seen{ID: here, CRLNumber: 8}, store.SetBack},
		{"a checkpoint of another history", store.Said{ID: here}, store.Seen{ID: here, Contradicted: true}, store.SetBack},
		{"it was shown before", store.Said{ID: here, Behind: true}, store.Seen{ID: here}, store.SetBack},
		{"restored", store.Said{ID: here, Restored: true}, store.Seen{}, store.Restored},
		{"restored, whatever else is known", store.Said{ID: here, Restored: true}, store.Seen{ID: here, Contradicted: true, CRLNumber: 9}, store.Restored},
		{"the folder was made anew", store.Said{ID: here}, store.Seen{}, store.Restored},
		{"a copy from before there were names", store.Said{}, store.Seen{ID: here}, store.SetBack},
		{"recovered by another process", store.Said{ID: here, Former: []string{other}}, store.Seen{ID: other}, store.Serves},
		{"recovered, but from an older copy again", store.Said{ID: here, Former: []string{other}}, store.Seen{ID: other, Contradicted: true}, store.SetBack},
		{"the copy from before it was recovered", store.Said{ID: here}, store.Seen{ID: other}, store.Foreign},
		{"that copy, and a proof", store.Said{ID: here, CRLNumber: 7}, store.Seen{ID: other, CRLNumber: 8}, store.SetBack},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, store.Judge(tt.said, tt.seen)) })
	}
}
