package ca

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"strconv"
)

// MaxShards is how many lists an issuer's certificates can be spread over: as many as
// the last two octets of a serial number tell apart.
const MaxShards = 1 << 16

// ListURL returns where a revocation list of this issuer is found, by its name:
// "full.crl", "delta.crl", or what [ShardName] says.
func (a *Authority) ListURL(name string) string { return listURL(a.url, a.certificate, name) }

func listURL(baseURL string, issuer *x509.Certificate, name string) string {
	return baseURL + "/crl/" + issuerID(issuer) + "/" + name
}

// ShardName returns the name of the list number i of n: "8/3.crl".
func ShardName(n, i int) string { return strconv.Itoa(n) + "/" + strconv.Itoa(i) + ".crl" }

// SetShards has certificates from now on point at one of n shards, a power of two up to
// [MaxShards], and with n = 1 at the complete list. A certificate's list is that of its
// serial number modulo n, for as long as it lives: so whoever sets n publishes these n
// lists first, and goes on until the last certificate has ended. It may be called
// concurrently with everything else; only package revoke does.
func (a *Authority) SetShards(n int) {
	if n < 1 || n > MaxShards || n&(n-1) != 0 {
		panic(fmt.Sprintf("ca: %d shards", n))
	}
	a.shards.Store(int32(n))
}

// Shards returns what [Authority.SetShards] set, 1 before.
func (a *Authority) Shards() int { return max(1, int(a.shards.Load())) }

// shardOf returns the URL of the shard that a certificate is on, or "".
func (a *Authority) shardOf(serial *big.Int) string {
	n := a.Shards()
	if n == 1 {
		return ""
	}
	var octets [16]byte
	serial.FillBytes(octets[:])
	return a.ListURL(ShardName(n, (int(octets[14])<<8|int(octets[15]))&(n-1)))
}
