package crl_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

// What Encode writes, crypto/x509 and our own Open read as it was meant: for each kind
// of key, empty and long, full and delta.
func TestEncode(t *testing.T) {
	for kind, signer := range signers(t) {
		ca := authority(t, "Issuer", signer, nil)
		for _, n := range []int{0, 1, 3, 5000} {
			for _, base := range []int64{0, 41} {
				t.Run(fmt.Sprintf("%s, %d entries, base %d", kind, n, base), func(t *testing.T) {
					want := collect(t, n)
					der := encode(t, ca, template(0x80, base), want)

					list, err := x509.ParseRevocationList(der)
					require.NoError(t, err)
					require.NoError(t, list.CheckSignatureFrom(ca.Certificate))
					require.Equal(t, int64(0x80), list.Number.Int64())
					require.Equal(t, ca.SubjectKeyId, list.AuthorityKeyId)
					require.True(t, now.Equal(list.ThisUpdate))
					require.True(t, now.Add(24*time.Hour).Equal(list.NextUpdate))
					require.Equal(t, slices.Collect(want.All()), entriesOf(t, list))

					l := open(t, ca, der)
					require.Equal(t, int64(0x80), l.Number())
					require.Equal(t, base, l.Base())
					require.Equal(t, base > 0, l.IsDelta())
					require.Nil(t, l.Scope())
					require.True(t, now.Equal(l.ThisUpdate()))
					require.True(t, now.Add(24*time.Hour).Equal(l.NextUpdate()))
					require.Equal(t, slices.Collect(want.All()), slices.Collect(l.Entries().All()))
				})
			}
		}
	}
}

// entriesOf returns what crypto/x509 read in a list, in its order; nil for nothing.
func entriesOf(t testing.TB, list *x509.RevocationList) (all []crl.Entry) {
	for _, e := range list.RevokedCertificateEntries {
		s, err := crl.SerialOf(e.SerialNumber.Bytes())
		require.NoError(t, err)
		all = append(all, crl.Entry{Serial: s, RevokedAt: e.RevocationTime, Reason: crl.Reason(e.ReasonCode)})
	}
	return all
}

// The extensions are the ones that RFC 5280 wants and no others: no issuing
// distribution point above all, and the delta indicator is the only critical one.
func TestEncodeExtensions(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	for base, want := range map[int64][]string{
		0: {"2.5.29.35 false", "2.5.29.20 false"},
		7: {"2.5.29.35 false", "2.5.29.20 false", "2.5.29.27 true"},
	} {
		list, err := x509.ParseRevocationList(encode(t, ca, template(8, base), collect(t, 1)))
		require.NoError(t, err)
		var got []string
		for _, e := range list.Extensions {
			got = append(got, fmt.Sprintf("%s %t", e.Id, e.Critical))
		}
		require.Equal(t, want, got)
	}
}

// An entry says no reason where there is none to say, and an empty list is not there
// (RFC 5280, Sections 5.3.1 and 5.1.2.6).
func TestEncodeLeavesOut(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	unspecified := crl.Entry{Serial: serial(1), RevokedAt: now}
	compromised := crl.Entry{Serial: serial(2), RevokedAt: now, Reason: crl.KeyCompromise}
	der := encode(t, ca, template(1, 0), set(t, unspecified, compromised))
	require.Equal(t, 1, bytes.Count(der, []byte("\x55\x1d\x15")))
	require.True(t, bytes.Contains(der, []byte("\x55\x1d\x15\x04\x03\x0a\x01\x01")))

	der = encode(t, ca, template(1, 0), crl.Set{})
	require.True(t, bytes.Contains(der, append([]byte("\x17\x0d261123120000Z"), 0xa0)), "extensions follow nextUpdate")
}

// Serial numbers of any length and every form of time survive.
func TestEncodeForms(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	var list []crl.Entry
	for _, octets := range [][]byte{{}, {1}, {0x7f}, {0x80}, {1, 0}, bytes.Repeat([]byte{0xff}, 16), bytes.Repeat([]byte{0x7f}, 20), bytes.Repeat([]byte{0xff}, 20)} {
		s, err := crl.SerialOf(octets)
		require.NoError(t, err)
		list = append(list, crl.Entry{Serial: s, RevokedAt: now})
	}
	for i, at := range []time.Time{
		time.Unix(0, 0), time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC),
		time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<32-1, 0),
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)),
	} {
		list = append(list, crl.Entry{Serial: serial(uint64(i)), RevokedAt: at.UTC(), Reason: crl.Superseded})
	}
	want := set(t, list...)
	p := template(1<<62, 0)
	p.ThisUpdate = p.ThisUpdate.In(time.FixedZone("", -3600))
	p.NextUpdate = time.Date(2051, 1, 1, 0, 0, 0, 0, time.UTC)
	der := encode(t, ca, p, want)
	l := open(t, ca, der)
	require.Equal(t, want, l.Entries())
	require.True(t, p.ThisUpdate.Equal(l.ThisUpdate()))
	require.True(t, p.NextUpdate.Equal(l.NextUpdate()))
	require.Equal(t, int64(1<<62), l.Number())
	parsed, err := x509.ParseRevocationList(der)
	require.NoError(t, err)
	require.Len(t, parsed.RevokedCertificateEntries, len(list))
}

// A list that would be wrong is refused before anything is written.
func TestEncodeRefuses(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	noUsage := authority(t, "Issuer", key(t, 1), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(t, err)
	noKeyID := party{new(x509.Certificate), ca.Signer}
	*noKeyID.Certificate = *ca.Certificate
	noKeyID.SubjectKeyId = nil
	removes := set(t, crl.Entry{Serial: serial(1), RevokedAt: now, Reason: crl.RemoveFromCRL})
	edit := func(f func(*crl.Template)) crl.Template {
		p := template(5, 0)
		f(&p)
		return p
	}
	for _, tt := range []struct {
		name string
		by   party
		p    crl.Template
		set  crl.Set
	}{
		{"another key", party{ca.Certificate, key(t, 2)}, template(5, 0), crl.Set{}},
		{"an issuer without cRLSign", noUsage, template(5, 0), crl.Set{}},
		{"an issuer without key identifier", noKeyID, template(5, 0), crl.Set{}},
		{"a curve that we do not have", authority(t, "Issuer", p521, nil), template(5, 0), crl.Set{}},
		{"number 0", ca, template(0, 0), crl.Set{}},
		{"negative base", ca, template(5, -1), crl.Set{}},
		{"base of its own number", ca, template(5, 5), crl.Set{}},
		{"a full list that removes", ca, template(5, 0), removes},
		{"nextUpdate at thisUpdate", ca, edit(func(p *crl.Template) { p.NextUpdate = p.ThisUpdate }), crl.Set{}},
		{"no thisUpdate", ca, edit(func(p *crl.Template) { p.ThisUpdate = time.Time{} }), crl.Set{}},
		{"the year 10000", ca, edit(func(p *crl.Template) { p.NextUpdate = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }), crl.Set{}},
		{"a signer that fails", party{ca.Certificate, failing{ca.Signer}}, template(5, 0), crl.Set{}},
		{"a signer that signs something else", party{ca.Certificate, faulty{ca.Signer}}, template(5, 0), crl.Set{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			require.Error(t, crl.Encode(&b, tt.by.Certificate, tt.by.Signer, tt.p, tt.set))
			require.Zero(t, b.Len())
		})
	}
	var b bytes.Buffer
	require.NoError(t, crl.Encode(&b, ca.Certificate, ca.Signer, template(5, 4), removes), "a delta may remove")
}

// failing and faulty are keys in a module that is out of order.
type failing struct{ crypto.Signer }

func (failing) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("token removed")
}

type faulty struct{ crypto.Signer }

func (f faulty) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	digest = bytes.Clone(digest)
	digest[3] ^= 4
	return f.Signer.Sign(r, digest, opts)
}

// A disk that fills up in the middle is an error, wherever the middle is.
func TestEncodeWriteFails(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	want := collect(t, 3000) // more than one piece
	whole := len(encode(t, ca, template(1, 0), want))
	for _, room := range []int{0, 3, 100, 70_000, whole - 80, whole - 75} {
		require.ErrorIs(t, crl.Encode(&narrow{room}, ca.Certificate, ca.Signer, template(1, 0), want), io.ErrShortWrite)
	}
}

// A narrow takes so many bytes.
type narrow struct{ room int }

func (f *narrow) Write(b []byte) (int, error) {
	if len(b) > f.room {
		return f.room, io.ErrShortWrite
	}
	f.room -= len(b)
	return len(b), nil
}

// A long list costs no memory beside its Set: 100,000 entries are 4.3 MB of DER.
func TestEncodeMemory(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	want := collect(t, 100_000)
	require.Less(t, allocated(func() {
		require.NoError(t, crl.Encode(io.Discard, ca.Certificate, ca.Signer, template(1, 0), want))
	}), uint64(1<<20))
}

// allocated returns how many bytes f takes from the heap, freed ones included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What crypto/x509 writes, Open reads as it was meant: lists of others are lists too.
func TestOpenForeign(t *testing.T) {
	for kind, signer := range signers(t) {
		t.Run(kind, func(t *testing.T) {
			ca := authority(t, "Issuer", signer, nil)
			foreign := &x509.RevocationList{Number: big.NewInt(77), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
			for i, octets := range [][]byte{{9}, {0xff}, bytes.Repeat([]byte{0x8f}, 16), {3}} { // not in order
				foreign.RevokedCertificateEntries = append(foreign.RevokedCertificateEntries, x509.RevocationListEntry{
					SerialNumber: new(big.Int).SetBytes(octets), RevocationTime: now, ReasonCode: i,
				})
			}
			der, err := x509.CreateRevocationList(rand.Reader, foreign, ca.Certificate, ca.Signer)
			require.NoError(t, err)
			l := open(t, ca, der)
			require.Equal(t, int64(77), l.Number())
			require.False(t, l.IsDelta())
			want := set(t, entriesOf(t, foreign)...)
			require.Equal(t, slices.Collect(want.All()), slices.Collect(l.Entries().All()))
		})
	}
}
