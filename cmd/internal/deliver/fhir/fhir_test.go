package fhir

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a receiver answers to a batch is either a status for each entry, or an error.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"201 Created"}},{"response":{"status":"422","outcome":{"x":1}}}]}`))
	f.Add([]byte(`{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"2"}}]}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := readAnswer(text)
		if err != nil {
			require.Empty(t, all)
			return
		}
		for _, one := range all {
			require.GreaterOrEqual(t, one.status, 100)
			require.Less(t, one.status, 600)
		}
	})
}

func TestVerdict(t *testing.T) {
	require.NoError(t, verdict(http.StatusPreconditionFailed, nil), "several of it are there")
	require.NoError(t, verdict(http.StatusOK, nil))
	require.Error(t, verdict(http.StatusConflict, nil))
}
