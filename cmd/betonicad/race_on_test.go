//go:build race

package main_test

// raceFlag is as in the Makefile, so that nothing is built twice.
var raceFlag = []string{
	"-race", "-gcflags=crypto/internal/fips140/...=-race=false", "-gcflags=crypto/pbkdf2=-race=false", "-gcflags=golang.org/x/crypto/...=-race=false",
}
