package ca_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// A DNS name has one form, and what a resolver or a browser would read in two
// ways has none.
func TestDNSName(t *testing.T) {
	label := strings.Repeat("a", 63)
	long := strings.Repeat(label+".", 3) + strings.Repeat("a", 61)
	for _, tt := range []struct{ in, want string }{ // want empty: refused
		{"a.hospital.example", "a.hospital.example"},
		{"A.Hospital.EXAMPLE", "a.hospital.example"},
		{"localhost", "localhost"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"1.example", "1.example"},
		{label + ".example", label + ".example"},
		{long, long},

		{"", ""},
		{".", ""},
		{"example.", ""},
		{".example", ""},
		{"a..example", ""},
		{"*.example", ""},
		{"a.*.example", ""},
		{"*", ""},
		{"-a.example", ""},
		{"a-.example", ""},
		{"a_b.example", ""},
		{"bücher.example", ""},
		{"a b.example", ""},
		{"a\x00.example", ""},
		{"a\n.example", ""},
		{"a.example:443", ""},
		{"10.0.0.1", ""},
		{"a.1", ""},
		{"::1", ""},
		{"\u212a.example", ""}, // the Kelvin sign, whose lower case is k
		{label + "a.example", ""},
		{long + "a", ""},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ca.DNSName(tt.in)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.want == "", err != nil)
		})
	}
}
