package fips_test

import (
	"crypto/fips140"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/fips"
)

// A program claims the module that is in force, and none where the mode is off; and never
// that one is validated which is not.
func TestSuffix(t *testing.T) {
	if !fips140.Enabled() {
		require.Empty(t, fips.Suffix())
		require.False(t, fips.Validated())
		return
	}
	require.Equal(t, fips140.Version() != "latest", fips.Validated())
	if fips.Validated() {
		require.Equal(t, ", FIPS 140-3 module "+fips140.Version()+", enabled", fips.Suffix())
		return
	}
	require.Contains(t, fips.Suffix(), "not validated")
}
