package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSites(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		must(t, d, func(tx *Tx) {
			for name, site := range map[string]string{"a": "ward 3", "b": "", `c"d`: `a "b", c`} {
				tx.CreateIdentity(Identity{Path: "device/" + name, Role: "device", Name: name, State: Active, Site: site})
			}
		})
		sites, err := d.Sites(t.Context(), []string{"device/b", `device/c"d`, "device/a", "device/nobody", "device/a"})
		require.NoError(t, err)
		require.Equal(t, map[string]string{"device/a": "ward 3", "device/b": "", `device/c"d`: `a "b", c`}, sites)

		sites, err = d.Sites(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, sites)
	})
}
