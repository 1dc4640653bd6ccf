package ca_test

import (
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// prime returns one of 1024 bits; whoever makes bad keys is not in our mode.
func prime() (p *big.Int) {
	fips140.WithoutEnforcement(func() { p = must(rand.Prime(rand.Reader, 1024)) })
	return p
}

// closePrimes returns a modulus of a prime and one of those that follow it.
func closePrimes(t *testing.T) *big.Int {
	p := prime()
	q := new(big.Int).Add(p, big.NewInt(1<<20))
	for !q.ProbablyPrime(20) {
		q.Add(q, big.NewInt(1))
	}
	return p.Mul(p, q)
}

func squareOfPrime(t *testing.T) *big.Int {
	p := prime()
	return p.Mul(p, p)
}

// infineon returns a modulus as that library makes it: of two primes k*M + (65537^a mod M),
// where M is the product of the first 126 primes, which is for keys of 2048 bits.
func infineon(t *testing.T) *big.Int {
	m := big.NewInt(1)
	for n, found := int64(2), 0; found < 126; n++ {
		if p := big.NewInt(n); p.ProbablyPrime(0) {
			m.Mul(m, p)
			found++
		}
	}
	prime := func() *big.Int {
		residue := new(big.Int).Exp(big.NewInt(65537), must(rand.Int(rand.Reader, m)), m)
		least := new(big.Int).Lsh(big.NewInt(3), uint(1022-m.BitLen())) // so that two make 2048 bits
		for k := least; ; k.Add(k, big.NewInt(1)) {
			p := new(big.Int).Mul(k, m)
			if p.Add(p, residue); p.ProbablyPrime(20) {
				return p
			}
		}
	}
	n := new(big.Int).Mul(prime(), prime())
	require.GreaterOrEqual(t, n.BitLen(), 2048)
	return n
}

// Keys that were made well pass, of each size that machines make.
func TestGoodRSA(t *testing.T) {
	for _, bits := range []int{2048, 3072, 4096} {
		key := must(rsa.GenerateKey(rand.Reader, bits))
		_, err := ca.ParseRequest(must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)))
		require.NoError(t, err)
	}
}
