package pkcs10_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"

	"github.com/betonica/betonica/enroll/pkcs10"
)

// with returns what stands before and around attributes in a request, with those.
func with(attributes string) []byte {
	info := "\x02\x01\x00\x30\x00\x30\x00\xa0" + string(rune(len(attributes))) + attributes
	info = "\x30" + string(rune(len(info))) + info
	return []byte("\x30" + string(rune(len(info))) + info)
}

const (
	password = "\x30\x13\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07\x31\x06\x0c\x04abcd"
	number   = "\x30\x0a\x06\x03\x2a\x03\x04\x31\x03\x02\x01\x05"
)

// Attributes come in their order, and end with the first that is malformed.
func TestAttributes(t *testing.T) {
	for text, want := range map[string][]string{
		"":                             nil,
		password:                       {"abcd"},
		number + password:              {"", "abcd"},
		password + "\x31\x00" + number: {"abcd"},
		password + "\x30\x00" + number: {"abcd"},
		"\x30\x05\x06\x03\x2a\x03\x04": nil, // no values
	} {
		var got []string
		for _, values := range pkcs10.Attributes(with(text)) {
			text, ok := pkcs10.Text(values)
			require.Equal(t, text != "", ok)
			got = append(got, text)
		}
		require.Equal(t, want, got, "%x", text)
	}
	for oid := range pkcs10.Attributes(with(password + number)) {
		require.True(t, oid.Equal(pkcs10.ChallengePassword))
		break
	}
}

// Text is one value of a kind that is read byte by byte.
func TestText(t *testing.T) {
	for der, want := range map[string]bool{
		"\x0c\x01a": true, "\x13\x01a": true, "\x14\x01a": true, "\x16\x01a": true,
		"\x1e\x02\x00a": false, "\x04\x01a": false, "\x02\x01a": false, "": false, "\x0c\x02a": false, "\x0c\x01a\x0c\x01b": false,
	} {
		_, ok := pkcs10.Text(cryptobyte.String(der))
		require.Equal(t, want, ok, "%x", der)
	}
}

// What is yielded is a part of the request, and crypto/x509 finds the same attributes in
// whatever it reads.
func FuzzAttributes(f *testing.F) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(f, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"a.example"}}, key)
	require.NoError(f, err)
	f.Add(csr)
	f.Add(with(password + number))
	f.Fuzz(func(t *testing.T, csr []byte) {
		var oids []asn1.ObjectIdentifier
		for oid, values := range pkcs10.Attributes(csr) {
			require.True(t, bytes.Contains(csr, values))
			pkcs10.Text(values)
			oids = append(oids, oid)
		}
		parsed, err := x509.ParseCertificateRequest(csr)
		if err != nil {
			return
		}
		//lint:ignore SA1019 a second opinion
		for i, attribute := range parsed.Attributes {
			require.Less(t, i, len(oids))
			require.Contains(t, oids, attribute.Type)
		}
	})
}
