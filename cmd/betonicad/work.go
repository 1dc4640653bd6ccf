package main

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"strings"
)

// maxRounds bounds the work of trying a passphrase on a key that comes from elsewhere:
// some seconds. Ours take 600,000 rounds.
const maxRounds = 5_000_000

// checkWork refuses keys that would keep whoever opens them busy for hours. What
// cannot be read is left to who opens it.
func checkWork(files map[string][]byte) error {
	for name, text := range files {
		if !strings.HasSuffix(name, ".key") {
			continue
		}
		if n := rounds(text); n < 0 || n > maxRounds {
			return fmt.Errorf("%w: to open %s would take %d rounds of PBKDF2", errForeign, name, n)
		}
	}
	return nil
}

// rounds returns how many rounds of PBKDF2 an encrypted key says that it takes, or 0
// (RFC 8018, Appendix A.2 and A.4).
func rounds(text []byte) int {
	block, _ := pem.Decode(text)
	if block == nil {
		return 0
	}
	var key struct {
		Scheme     pkix.AlgorithmIdentifier
		Ciphertext []byte
	}
	var scheme struct{ Derivation, Cipher pkix.AlgorithmIdentifier }
	var derivation struct {
		Salt   asn1.RawValue
		Rounds int
	}
	for _, part := range []struct {
		der  func() []byte
		into any
	}{
		{func() []byte { return block.Bytes }, &key},
		{func() []byte { return key.Scheme.Parameters.FullBytes }, &scheme},
		{func() []byte { return scheme.Derivation.Parameters.FullBytes }, &derivation},
	} {
		if _, err := asn1.Unmarshal(part.der(), part.into); err != nil {
			return 0
		}
	}
	return derivation.Rounds
}
