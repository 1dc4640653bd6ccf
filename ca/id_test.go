package ca_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// An identity has one spelling. Whatever is not exactly that names nobody.
func TestParseID(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, tt := range []struct {
		uri  string
		path string // empty: refused
	}{
		{"spiffe://hospital.example/device/SN-0042", "device/SN-0042"},
		{"spiffe://hospital.example/a-1/A.b_c-9", "a-1/A.b_c-9"},
		{"spiffe://localhost/a/b", "a/b"},
		{"spiffe://" + long[:60] + ".ex/a/b", "a/b"},
		{"spiffe://x/" + long + "/" + long, long + "/" + long},

		{"", ""},
		{"spiffe://", ""},
		{"spiffe://hospital.example", ""},
		{"spiffe://hospital.example/", ""},
		{"spiffe://hospital.example/device", ""},
		{"spiffe://hospital.example/device/", ""},
		{"spiffe://hospital.example//x", ""},
		{"spiffe://hospital.example/device/a/b", ""},
		{"spiffe://hospital.example/device/a/", ""},
		{"spiffe:///device/a", ""},
		{"SPIFFE://hospital.example/device/a", ""},
		{"https://hospital.example/device/a", ""},
		{" spiffe://hospital.example/device/a", ""},
		{"spiffe://Hospital.example/device/a", ""},
		{"spiffe://hospital.example./device/a", ""},
		{"spiffe://hospital.example:443/device/a", ""},
		{"spiffe://user@hospital.example/device/a", ""},
		{"spiffe://hospital_1.example/device/a", ""},
		{"spiffe://10.0.0.1/device/a", ""},
		{"spiffe://*.example/device/a", ""},
		{"spiffe://" + long + "a/device/a", ""},
		{"spiffe://hospital.example/Device/a", ""},
		{"spiffe://hospital.example/de_vice/a", ""},
		{"spiffe://hospital.example/" + long + "a/a", ""},
		{"spiffe://hospital.example/device/" + long + "a", ""},
		{"spiffe://hospital.example/device/.", ""},
		{"spiffe://hospital.example/device/..", ""},
		{"spiffe://hospital.example/device/a?b", ""},
		{"spiffe://hospital.example/device/a#b", ""},
		{"spiffe://hospital.example/device/a%2e", ""},
		{"spiffe://hospital.example/device/a b", ""},
		{"spiffe://hospital.example/device/a\x00", ""},
		{"spiffe://hospital.example/device/ä", ""},
	} {
		t.Run(tt.uri, func(t *testing.T) {
			id, err := ca.ParseID(tt.uri)
			if tt.path == "" {
				require.Error(t, err)
				require.Zero(t, id)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.uri, id.String())
			require.Equal(t, tt.uri, id.URL().String())
			require.Equal(t, tt.path, id.Path())
			require.Equal(t, tt.path, id.Role()+"/"+id.Name())
			again, err := ca.ParsePath(id.TrustDomain(), id.Path())
			require.NoError(t, err)
			require.True(t, id == again)
		})
	}
}

// The zero ID cannot be mistaken for anybody's.
func TestZeroID(t *testing.T) {
	var id ca.ID
	require.True(t, id.IsZero())
	require.Empty(t, id.String())
	require.Empty(t, id.Path())
}
