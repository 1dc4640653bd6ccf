package ca

import (
	_ "embed"
	"strings"
)

//go:embed policy.toml
var defaultPolicy string

// DefaultPolicy returns the text of the policy file that a new authority starts
// with: the roles device, service and gateway, with a comment to every line.
func DefaultPolicy(trustDomain string) []byte {
	return []byte(strings.ReplaceAll(defaultPolicy, "TRUST.DOMAIN", trustDomain))
}
