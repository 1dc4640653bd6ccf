// Package fips says which of Go's cryptographic modules a program works with. It switches
// nothing: a program that was built with GOFIPS140=certified works in FIPS 140-3 mode by
// itself, and GODEBUG=fips140=only has it refuse whatever is not approved.
package fips

import "crypto/fips140"

// Module returns the module in force, "v1.0.0"; with "latest", which has no certificate, for
// a program that was built without one and works in FIPS 140-3 mode all the same. It is
// empty where that mode is off.
func Module() string {
	if !fips140.Enabled() {
		return ""
	}
	return fips140.Version()
}

// Validated reports that a module is in force that has a certificate or is about to have one.
func Validated() bool { return Module() != "" && Module() != latest }

const latest = "latest"

// Suffix returns what the line of a version says of it; empty where the mode is off.
func Suffix() string {
	if Module() == "" {
		return ""
	}
	if !Validated() {
		return ", in FIPS 140-3 mode, with a module that is not validated"
	}
	return ", FIPS 140-3 module " + Module() + ", enabled"
}
