package server

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store"
)

// Access records stay for six years; that they leave before takes two settings, and one
// alone stops the start.
func TestRecordsRetention(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"":               store.SixYears,
		"records = '7y'": 7 * year,
		"records_below_six_years = true\nrecords = '90d'": 90 * day,
		"records_below_six_years = true":                  store.SixYears,
		"tokens = '1d'\nrecords = '2190d'":                0,
		"records = '0d'":                                  0,
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte("[retention]\n"+text+"\n"), 0o600))
		c, err := ReadConfig(dir)
		if want > 0 {
			require.NoError(t, err, text)
			require.Equal(t, want, c.StoreRetention().KeepsRecords(), text)
			continue
		}
		require.ErrorContains(t, err, "retention.records is", text)
	}
}
