package crl_test

import (
	"bytes"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

type hostile struct {
	name string
	f    forgery
	want error // nil: malformed
}

// hostiles are lists that the right key signed, and that must be refused all the same.
func hostiles(ca party) []hostile {
	aki, number := akiOf(ca), extension(cRLNumber, false, integer(5))
	exts := func(e ...[]byte) forgery { return forgery{extensions: append([][]byte{aki, number}, e...)} }
	only := func(e ...[]byte) forgery { return forgery{extensions: e} }
	entry := func(parts ...[]byte) forgery { return forgery{revoked: seq(seq(parts...))} }
	nine := integer(9)
	point := func(parts ...[]byte) []byte { return extension(distributionPoint, true, seq(parts...)) }
	var many [][]byte
	for i := range byte(15) {
		many = append(many, extension(100+i, false, nine))
	}
	return []hostile{
		{"another issuer's name", forgery{issuer: seq(tlv(0x31, seq(tlv(6, []byte{0x55, 4, 3}), tlv(0x0c, []byte("Other")))))}, crl.ErrIssuer},
		{"no authority key identifier", only(number), crl.ErrIssuer},
		{"another key's identifier", only(extension(authorityKey, false, seq(tlv(0x80, []byte("other")))), number), crl.ErrIssuer},
		{"key identifier empty", only(extension(authorityKey, false, seq(tlv(0x80))), number), crl.ErrIssuer},
		{"authority named by its serial number", only(extension(authorityKey, false, seq(tlv(0x82, []byte{1}))), number), crl.ErrIssuer},

		{"unknown critical extension", exts(extension(99, true, nine)), crl.ErrUnsupported},
		{"unknown critical extension of an entry", entry(nine, thisTime, seq(extension(certificateIssuer, true, seq()))), crl.ErrUnsupported},
		{"an indirect list", exts(point(tlv(0x84, []byte{0xff}))), crl.ErrUnsupported},
		{"a list of some reasons", exts(point(tlv(0x83, []byte{1, 0x40}))), crl.ErrUnsupported},
		{"a list of attribute certificates", exts(point(tlv(0x85, []byte{0xff}))), crl.ErrUnsupported},
		{"a point that is a directory name", exts(point(tlv(0xa0, tlv(0xa0, tlv(0xa4, seq()))))), crl.ErrUnsupported},

		{"no number", only(aki), nil},
		{"no extensions", only([][]byte{}...), nil},
		{"number negative", only(aki, extension(cRLNumber, false, integer(0xff))), nil},
		{"number with a needless zero", only(aki, extension(cRLNumber, false, integer(0, 5))), nil},
		{"number of 2^63", only(aki, extension(cRLNumber, false, integer(0, 0x80, 0, 0, 0, 0, 0, 0, 0))), nil},
		{"number of 2^64+5", only(aki, extension(cRLNumber, false, integer(1, 0, 0, 0, 0, 0, 0, 0, 5))), nil},
		{"number empty", only(aki, extension(cRLNumber, false, integer())), nil},
		{"number and more", only(aki, extension(cRLNumber, false, integer(5), nine)), nil},
		{"number twice", exts(number), nil},
		{"extension's identifier ends within an arc", exts(seq(tlv(6, []byte{0x55, 0x1d, 0xe7}), tlv(4, nine))), nil},
		{"extension's identifier empty", exts(seq(tlv(6), tlv(4, nine))), nil},
		{"extension's identifier with a needless 0x80", exts(seq(tlv(6, []byte{0x55, 0x1d, 0x80, 0x63}), tlv(4, nine))), nil},
		{"extension's identifier with an arc of 2^28", exts(seq(tlv(6, []byte{0x55, 0x1d, 0x81, 0x80, 0x80, 0x80, 0}), tlv(4, nine))), nil},
		{"delta to itself", exts(extension(deltaIndicator, true, integer(5))), nil},
		{"delta to the future", exts(extension(deltaIndicator, true, integer(6))), nil},
		{"delta indicator not critical", exts(extension(deltaIndicator, false, integer(4))), nil},
		{"distribution point not critical", exts(extension(distributionPoint, false, seq(tlv(0x81, []byte{0xff})))), nil},
		{"distribution point empty", exts(point()), nil},
		{"distribution point with a FALSE", exts(point(tlv(0x81, []byte{0}))), nil},
		{"distribution point without a name", exts(point(tlv(0xa0, tlv(0xa0)))), nil},
		{"freshestCRL empty", exts(extension(freshestCRL, false, seq())), nil},
		{"freshestCRL critical", exts(extension(freshestCRL, true, seq(pointAt("http://a/")))), nil},
		{"freshestCRL in a delta", exts(extension(deltaIndicator, true, integer(4)), extension(freshestCRL, false, seq(pointAt("http://a/")))), nil},
		{"freshestCRL that is no list of points", exts(extension(freshestCRL, false, integer(9))), nil},
		{"freshestCRL and more", exts(extension(freshestCRL, false, seq(pointAt("http://a/")), nine)), nil},
		{"users only and CAs only", exts(point(tlv(0x81, []byte{0xff}), tlv(0x82, []byte{0xff}))), nil},
		{"critical is FALSE, which is the default", exts(seq(tlv(6, []byte{0x2a, 3}), []byte{1, 1, 0}, tlv(4))), nil},
		{"extensions empty", forgery{extensions: [][]byte{{}}}, nil},
		{"17 extensions", exts(many...), nil},
		{"more beside the extensions", forgery{extensions: [][]byte{}, more: tlv(0xa0, seq(aki, number), nine)}, nil},

		{"version absent: v1", forgery{version: []byte{}}, nil},
		{"version v3", forgery{version: integer(2)}, nil},
		{"inner algorithm differs", forgery{inner: ecdsaSHA384}, nil},
		{"unknown inner algorithm", forgery{inner: seq(tlv(6, []byte{0x2a, 3, 4}))}, nil},
		{"no nextUpdate", forgery{times: thisTime}, nil},
		{"nextUpdate before thisUpdate", forgery{times: slices.Concat(nextTime, thisTime)}, nil},
		{"thisUpdate generalized before 2050", forgery{times: slices.Concat(generalized("20261122120000Z"), nextTime)}, nil},
		{"list of entries empty", forgery{revoked: seq()}, nil},
		{"more in the signed part", forgery{more: nine}, nil},

		{"entry without date", entry(nine), nil},
		{"entry with more", entry(nine, thisTime, seq(reason(1)), nine), nil},
		{"entry with empty extensions", entry(nine, thisTime, seq()), nil},
		{"serial number negative", entry(integer(0x80), thisTime), nil},
		{"serial number empty", entry(integer(), thisTime), nil},
		{"serial number with a needless zero", entry(integer(0, 1), thisTime), nil},
		{"serial number of 21 octets", entry(integer(append([]byte{1}, make([]byte, 20)...)...), thisTime), nil},
		{"serial number twice", forgery{revoked: seq(seq(nine, thisTime), seq(nine, nextTime))}, nil},
		{"serial number twice, not side by side", forgery{revoked: seq(seq(nine, thisTime), seq(integer(1), thisTime), seq(nine, thisTime))}, nil},
		{"reason 7", entry(nine, thisTime, seq(reason(7))), nil},
		{"reason 11", entry(nine, thisTime, seq(reason(11))), nil},
		{"reason of two octets", entry(nine, thisTime, seq(reason(0, 1))), nil},
		{"reason twice", entry(nine, thisTime, seq(reason(1), reason(1))), nil},
		{"a full list that removes", entry(nine, thisTime, seq(reason(8))), nil},
		{"date in 1969", entry(nine, utc("691231235959Z")), nil},
		{"date in 2106", entry(nine, generalized("21060301000000Z")), nil},
		{"date generalized before 2050", entry(nine, generalized("20491231235959Z")), nil},
		{"date without seconds", entry(nine, utc("2611221200Z")), nil},
		{"date with an offset", entry(nine, utc("261122120000+0100")), nil},
		{"date with a fraction", entry(nine, generalized("20500101000000.5Z")), nil},
		{"date of no Z", entry(nine, utc("2611221200000")), nil},
		{"date with a letter", entry(nine, utc("26112212000:Z")), nil},
		{"the 29th of February 2025", entry(nine, utc("250229120000Z")), nil},
		{"the 13th month", entry(nine, utc("251301120000Z")), nil},
		{"the 60th minute", entry(nine, utc("251201126000Z")), nil},
		{"the 60th second", entry(nine, utc("251201120060Z")), nil},
		{"the 24th hour", entry(nine, utc("251201240000Z")), nil},
		{"the 0th day", entry(nine, utc("251200120000Z")), nil},
	}
}

// What the right key signed is refused all the same where it is not a list of RFC 5280
// for this issuer.
func TestOpenHostile(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	for _, tt := range hostiles(ca) {
		t.Run(tt.name, func(t *testing.T) {
			l, err := crl.Open(tt.f.der(t, ca), ca.Certificate)
			require.Nil(t, l)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
				return
			}
			var malformed *crl.MalformedError
			require.ErrorAs(t, err, &malformed)
		})
	}
}

// The same tools build lists that are good, and what is neither known nor critical does
// not harm.
func TestOpen(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	aki, number := akiOf(ca), extension(cRLNumber, false, integer(5))
	for _, tt := range []struct {
		name string
		f    forgery
		want []crl.Entry
	}{
		{"plain", forgery{}, []crl.Entry{{Serial: small(t, 9), RevokedAt: now}}},
		{"empty", forgery{revoked: []byte{}}, nil},
		{"number 0", forgery{extensions: [][]byte{aki, extension(cRLNumber, false, integer(0))}, revoked: []byte{}}, nil},
		{"where the newest delta is", forgery{extensions: [][]byte{aki, number, extension(freshestCRL, false, seq(pointAt("http://a/")))}, revoked: []byte{}}, nil},
		{"key identifier and more", forgery{extensions: [][]byte{extension(authorityKey, false, seq(tlv(0x80, ca.SubjectKeyId), tlv(0x82, []byte{1}))), number}, revoked: []byte{}}, nil},
		{"a reason and when it began", forgery{revoked: seq(seq(integer(9), thisTime, seq(extension(invalidityDate, false, thisTime), reason(1))))}, []crl.Entry{{Serial: small(t, 9), RevokedAt: now, Reason: crl.KeyCompromise}}},
		{"a reason that says unspecified", forgery{revoked: seq(seq(integer(9), thisTime, seq(reason(0))))}, []crl.Entry{{Serial: small(t, 9), RevokedAt: now}}},
		{"not in order", forgery{revoked: seq(seq(integer(9), thisTime), seq(integer(3), thisTime))}, []crl.Entry{{Serial: small(t, 3), RevokedAt: now}, {Serial: small(t, 9), RevokedAt: now}}},
		{"a delta that removes", forgery{extensions: [][]byte{aki, number, extension(deltaIndicator, true, integer(4))}, revoked: seq(seq(integer(9), thisTime, seq(reason(8))))}, []crl.Entry{{Serial: small(t, 9), RevokedAt: now, Reason: crl.RemoveFromCRL}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := open(t, ca, tt.f.der(t, ca))
			require.Equal(t, tt.want, slices.Collect(l.Entries().All()))
		})
	}
}

func small(t testing.TB, n byte) crl.Serial {
	s, err := crl.SerialOf([]byte{n})
	require.NoError(t, err)
	return s
}

// A list of a part says so.
func TestOpenScope(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	url := tlv(0x86, []byte("http://ca.example/crl/1.crl"))
	for _, tt := range []struct {
		name  string
		point []byte
		want  crl.Scope
	}{
		{"a shard", seq(tlv(0xa0, tlv(0xa0, url))), crl.Scope{URLs: []string{"http://ca.example/crl/1.crl"}}},
		{"users only", seq(tlv(0x81, []byte{0xff})), crl.Scope{UserOnly: true}},
		{"CAs only, at two places", seq(tlv(0xa0, tlv(0xa0, url, url)), tlv(0x82, []byte{0xff})), crl.Scope{CAOnly: true, URLs: []string{"http://ca.example/crl/1.crl", "http://ca.example/crl/1.crl"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := forgery{extensions: [][]byte{akiOf(ca), extension(cRLNumber, false, integer(5)), extension(distributionPoint, true, tt.point)}}
			l := open(t, ca, f.der(t, ca))
			require.Equal(t, &tt.want, l.Scope())
			_, err := crl.NewState(l, now)
			require.ErrorIs(t, err, crl.ErrPartial)
		})
	}
}

// Only the issuer's own signature counts, and only if it may sign lists.
func TestOpenSignature(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	namesake := authority(t, "Issuer", key(t, 2), func(c *x509.Certificate) { c.SubjectKeyId = ca.SubjectKeyId })
	noUsage := authority(t, "Issuer", key(t, 1), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })
	noCA := authority(t, "Issuer", key(t, 1), func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.SubjectKeyId = false, x509.KeyUsageCRLSign, ca.SubjectKeyId
	})
	der := encode(t, ca, template(5, 0), collect(t, 3))
	flipped := func(at int) []byte {
		b := slices.Clone(der)
		b[at] ^= 1
		return b
	}
	for _, tt := range []struct {
		name   string
		der    []byte
		issuer party
		want   error
	}{
		{"another key of the same name", encode(t, namesake, template(5, 0), collect(t, 3)), ca, crl.ErrSignature},
		{"one bit of an entry changed", flipped(bytes.Index(der, []byte("\x01\x9a\xbc")) + 15), ca, crl.ErrSignature},
		{"one bit of the signature changed", flipped(len(der) - 5), ca, crl.ErrSignature},
		{"outer algorithm of another hash", forgery{outer: ecdsaSHA384}.der(t, ca), ca, crl.ErrSignature},
		{"an issuer without cRLSign", der, noUsage, crl.ErrIssuer},
		{"an issuer that is no CA", der, noCA, crl.ErrIssuer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := crl.Open(tt.der, tt.issuer.Certificate)
			require.ErrorIs(t, err, tt.want)
			require.Nil(t, l)
		})
	}
	open(t, ca, der)
}

// Bytes that are no list at all are malformed, however they are cut or nested.
func TestOpenGarbage(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	der := encode(t, ca, template(5, 0), collect(t, 3))
	deep := seq()
	for range 1000 {
		deep = seq(deep)
	}
	cases := map[string][]byte{
		"trailing octet":           append(slices.Clone(der), 0),
		"trailing element":         forgery{tail: integer(1)}.der(t, ca),
		"unknown outer algorithm":  forgery{outer: seq(tlv(6, []byte{0x2a, 3, 4}))}.der(t, ca),
		"ECDSA with NULL":          forgery{outer: seq(tlv(6, []byte("\x2a\x86\x48\xce\x3d\x04\x03\x02")), []byte{5, 0})}.der(t, ca),
		"unused bits in signature": seq(seq(forgery{}.signed(ca)), ecdsaSHA256, tlv(3, []byte{1, 2, 2})),
		"empty signature":          seq(seq(forgery{}.signed(ca)), ecdsaSHA256, tlv(3, []byte{0})),
		"indefinite length":        append(append([]byte{0x30, 0x80}, der[4:]...), 0, 0),
		"length of 4 GiB":          {0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30},
		"length of 5 octets":       {0x30, 0x85, 1, 0, 0, 0, 0, 0x30},
		"length with a zero":       append([]byte{0x30, 0x83, 0}, der[2:]...),
		"short length in long":     seq(seq(forgery{}.signed(ca)), ecdsaSHA256, append([]byte{3, 0x81, 71, 0}, make([]byte, 70)...)),
		"indefinite, and nothing":  {0x30, 0x80},
		"a thousand deep":          deep,
		"PEM":                      []byte("-----BEGIN X509 CRL-----\n"),
	}
	for i := range 40 {
		cases["cut at "+string(rune('0'+i))] = der[:i*len(der)/40]
	}
	for name, der := range cases {
		t.Run(name, func(t *testing.T) {
			l, err := crl.Open(der, ca.Certificate)
			var malformed *crl.MalformedError
			require.ErrorAs(t, err, &malformed)
			require.Nil(t, l)
		})
	}
}
