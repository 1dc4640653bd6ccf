package attest

import (
	"crypto/rsa"
	"crypto/x509"

	"github.com/fxamacker/cbor/v2"
)

const (
	maxObject = 32 << 10 // bytes of an attestation object
	maxChain  = 8        // certificates of one
	maxRSA    = 4096     // bits of an RSA key in it: what a signature may cost us
)

// object is an attestation object (WebAuthn, Section 6.5), without the authData
// that this challenge has no use for.
type object struct {
	Format    string          `cbor:"fmt"`
	Statement cbor.RawMessage `cbor:"attStmt"`
}

// statement is an attestation statement of the "tpm" format (WebAuthn, Section
// 8.3).
type statement struct {
	Version   string   `cbor:"ver"`
	Algorithm int64    `cbor:"alg"`      // of Signature, as in COSE
	X5C       [][]byte `cbor:"x5c"`      // the attestation key's certificate, and those above it
	Signature []byte   `cbor:"sig"`      // TPMT_SIGNATURE over CertInfo
	CertInfo  []byte   `cbor:"certInfo"` // TPMS_ATTEST
	PubArea   []byte   `cbor:"pubArea"`  // TPMT_PUBLIC of the attested key

	Chain []*x509.Certificate `cbor:"-"` // X5C, parsed
}

// strict is how strangers' CBOR is decoded: definite lengths, no tags, no key
// twice, and no more depth and width than a statement has.
func strict() (cbor.DecMode, error) {
	return cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   4,
		MaxArrayElements:  16,
		MaxMapPairs:       16,
	}.DecMode()
}

// decode returns the statement of an attestation object, with its certificates
// parsed and nothing verified.
func decode(attObj []byte) (*statement, error) {
	if len(attObj) > maxObject {
		return nil, refuse("the attestation object is larger than 32 KiB", nil)
	}
	mode, err := strict()
	if err != nil {
		return nil, refuse("the attestation object cannot be read", err)
	}
	var obj object
	if err := mode.Unmarshal(attObj, &obj); err != nil {
		return nil, refuse("the attestation object is not the CBOR of one", err)
	}
	if obj.Format != "tpm" {
		return nil, refuse("the attestation format is not supported: only tpm is", nil)
	}
	var st statement
	if err := mode.Unmarshal(obj.Statement, &st); err != nil {
		return nil, refuse("the attestation statement is not the CBOR of one", err)
	}
	if st.Version != "2.0" {
		return nil, refuse("the statement's version is not 2.0", nil)
	}
	return &st, st.parseChain()
}

// parseChain parses the certificates of the statement.
func (st *statement) parseChain() error {
	if len(st.X5C) < 1 || len(st.X5C) > maxChain {
		return refuse("x5c holds no certificate, or more than 8", nil)
	}
	for _, der := range st.X5C {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return refuse("x5c holds something that is not a certificate", err)
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
			return refuse("x5c holds an RSA key of more than 4096 bits", nil)
		}
		st.Chain = append(st.Chain, cert)
	}
	return nil
}
