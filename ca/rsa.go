package ca

import (
	"crypto/rsa"
	"math/big"
)

// Bounds of an RSA key. Each modulus of 2048 to 4096 bits is taken: 3072 is what NIST SP
// 800-57 asks for beyond 2030. FIPS 186-5, Section 5.1 allows greater exponents than 65537,
// which nobody has reason to use, and which cost whoever verifies.
const (
	minRSABits  = 2048
	maxRSABits  = 4096
	rsaExponent = 65537
)

// checkRSA follows NIST SP 800-56B, Section 6.4.2.1 (a partial check of a modulus), and
// refuses moduli that are known to be factored: of two primes close to each other, and of
// the library of Infineon's chips (CVE-2017-15361, "ROCA").
func checkRSA(k *rsa.PublicKey) error {
	switch bits := k.N.BitLen(); {
	case bits < minRSABits || bits > maxRSABits:
		return requestErrorf("RSA key has %d bits; %d to %d are accepted", bits, minRSABits, maxRSABits)
	case k.E != rsaExponent:
		return requestErrorf("RSA exponent %d is not accepted; %d is", k.E, rsaExponent)
	case new(big.Int).GCD(nil, nil, k.N, smallPrimes).Cmp(big.NewInt(1)) != 0:
		return requestErrorf("RSA modulus has a small prime factor")
	case closePrimes(k.N):
		return requestErrorf("RSA modulus is of two primes close to each other: it can be factored")
	case infineon(k.N):
		return requestErrorf("RSA key was made by a faulty library of Infineon's (CVE-2017-15361): it can be factored")
	}
	return nil
}

// smallPrimes is the product of the primes below 752.
var smallPrimes = productOfPrimes(752)

func productOfPrimes(below int64) *big.Int {
	product := big.NewInt(1)
	for n := int64(2); n < below; n++ {
		if p := big.NewInt(n); p.ProbablyPrime(0) { // exact below 2^64
			product.Mul(product, p)
		}
	}
	return product
}

// fermatRounds finds primes whose upper halves are the same but for a few bits, as of
// printers that took the next prime for the second (CVE-2022-26320).
const fermatRounds = 100

// squares has a bit for each number that squares are modulo 64.
var squares = func() (bits uint64) {
	for n := range 64 {
		bits |= 1 << (n * n % 64)
	}
	return bits
}()

// closePrimes tries to factor n as a²-b² (Fermat), from the square root on.
func closePrimes(n *big.Int) bool {
	one := big.NewInt(1)
	a := new(big.Int).Sqrt(n)
	if new(big.Int).Mul(a, a).Cmp(n) == 0 {
		return true
	}
	b2, b := new(big.Int), new(big.Int)
	for range fermatRounds {
		a.Add(a, one)
		b2.Sub(b2.Mul(a, a), n)
		if squares>>(b2.Bits()[0]&63)&1 == 0 {
			continue // no square ends so, and a root takes its time
		}
		if b.Sqrt(b2); new(big.Int).Mul(b, b).Cmp(b2) == 0 {
			return true
		}
	}
	return false
}

// infineon reports whether n has the fingerprint of that library: its primes are powers of
// 65537 modulo the product of the first primes, and so is what they make. Of other moduli
// one in 2^27 is (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, Section 4).
func infineon(n *big.Int) bool {
	remainder := new(big.Int)
	for _, p := range fingerprints {
		if !p.powers[remainder.Mod(n, p.prime).Int64()] {
			return false
		}
	}
	return true
}

// A fingerprint is the powers of 65537 modulo a prime.
type fingerprint struct {
	prime  *big.Int
	powers map[int64]bool
}

// fingerprints are those of the primes up to 167, whose product that library makes the
// primes of its shortest keys by; of longer keys it takes more.
var fingerprints = func() (all []fingerprint) {
	for n := int64(3); n <= 167; n += 2 {
		p := fingerprint{big.NewInt(n), map[int64]bool{}}
		if !p.prime.ProbablyPrime(0) {
			continue
		}
		for power := int64(1); !p.powers[power]; power = power * rsaExponent % n {
			p.powers[power] = true
		}
		all = append(all, p)
	}
	return all
}()
