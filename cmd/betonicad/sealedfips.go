package main

import (
	"crypto/fips140"

	"filippo.io/age"
)

// In FIPS 140-3 mode a backup is sealed to age's hybrid recipients alone, which have
// ML-KEM-768 beside X25519: that by itself is no approved way to agree on a key. What age
// does is outside of Go's module in any case: the mode keeps keys to what is approved, and
// certifies no backup.

// sealable says why no backup is sealed to anybody; nil: it is.
func sealable() error {
	if fips140.Enforced() {
		return usagef("FIPS 140-3 is enforced, and nothing that age does is approved there: run without GODEBUG=fips140=only, or write the backup with --plain to a disk that encrypts")
	}
	return nil
}

// approved says why a backup is not sealed to a recipient; nil: it is.
func approved(r age.Recipient) error {
	if _, hybrid := r.(*age.HybridRecipient); fips140.Enabled() && !hybrid {
		return usagef("in FIPS 140-3 mode a backup is not sealed to a key for X25519 alone: make one with age-keygen -pq, whose recipient begins with age1pq")
	}
	return nil
}
