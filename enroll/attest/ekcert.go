package attest

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/ca"
)

const (
	maxChain       = 8       // certificates that come with an endorsement key, with its own
	maxCertificate = 8 << 10 // bytes of one
)

var (
	oidEKCertificate  = asn1.ObjectIdentifier{2, 23, 133, 8, 1} // tcg-kp-EKCertificate
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidRSAESOAEP      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	oidManufacturer   = asn1.ObjectIdentifier{2, 23, 133, 2, 1}
	oidModel          = asn1.ObjectIdentifier{2, 23, 133, 2, 2}
	oidVersion        = asn1.ObjectIdentifier{2, 23, 133, 2, 3}
)

// An endorsementCertificate is one of the maker's, with its key: crypto/x509 does not
// know those that say that they are for RSAES-OAEP alone, as older chips' do.
type endorsementCertificate struct {
	*x509.Certificate
	key crypto.PublicKey
}

// parseChain parses the certificate of an endorsement key and those after it. Nothing
// is verified.
func parseChain(ders [][]byte) ([]*endorsementCertificate, error) {
	if len(ders) > maxChain {
		return nil, formf("ek_cert: more than %d certificates", maxChain)
	}
	var chain []*endorsementCertificate
	for _, der := range ders {
		if len(der) > maxCertificate {
			return nil, formf("ek_cert: a certificate of more than %d bytes", maxCertificate)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, formf("ek_cert: not a certificate")
		}
		c := &endorsementCertificate{cert, cert.PublicKey}
		if c.key == nil {
			if c.key, err = oaepKey(cert.RawSubjectPublicKeyInfo); err != nil {
				return nil, err
			}
		}
		if err := strong(c.key); err != nil {
			return nil, formf("ek_cert: %v", err)
		}
		chain = append(chain, c)
	}
	return chain, nil
}

// oaepKey reads an RSA key under the identifier of RSAES-OAEP (RFC 4055, Section 4.1).
func oaepKey(spki cryptobyte.String) (*rsa.PublicKey, error) {
	var algorithm, bits cryptobyte.String
	var oid asn1.ObjectIdentifier
	if spki.ReadASN1(&spki, tag.SEQUENCE) && spki.ReadASN1(&algorithm, tag.SEQUENCE) && algorithm.ReadASN1ObjectIdentifier(&oid) &&
		oid.Equal(oidRSAESOAEP) && spki.ReadASN1(&bits, tag.BIT_STRING) && bits.Skip(1) {
		if key, err := x509.ParsePKCS1PublicKey(bits); err == nil {
			return key, nil
		}
	}
	return nil, formf("ek_cert: the key is neither RSA nor of a NIST curve")
}

// vouched reports whether one of the roots vouches for the first certificate of the
// chain as that of an endorsement key, and returns what it calls the TPM (EK Credential
// Profile, Section 3.2).
//
// A certificate without an end, 99991231235959Z, has none. One that has ended vouches
// for nothing: its key can be put into the inventory.
func vouched(chain []*endorsementCertificate, roots []*x509.Certificate, now time.Time) (ca.TPM, error) {
	if len(chain) == 0 {
		return ca.TPM{}, errors.New("it came without its maker's certificate")
	}
	ek := *chain[0].Certificate // its fields are changed
	encrypts := x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement | x509.KeyUsageDataEncipherment
	switch {
	case ek.IsCA:
		return ca.TPM{}, errors.New("its certificate is that of a CA")
	case !slices.ContainsFunc(ek.UnknownExtKeyUsage, oidEKCertificate.Equal):
		return ca.TPM{}, errors.New("its certificate is not one for an endorsement key")
	case ek.KeyUsage != 0 && ek.KeyUsage&encrypts == 0:
		return ca.TPM{}, errors.New("its certificate is not one for a key that decrypts")
	}
	tpm, err := tpmName(&ek)
	if err != nil {
		return ca.TPM{}, err
	}
	// The subjectAltName is critical where there is no subject, and crypto/x509 does not
	// know its directoryName. We have just read it.
	ek.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(ek.UnhandledCriticalExtensions), oidSubjectAltName.Equal)

	trusted, between := x509.NewCertPool(), x509.NewCertPool()
	for _, root := range roots {
		trusted.AddCert(root)
	}
	for _, cert := range chain[1:] {
		between.AddCert(cert.Certificate)
	}
	_, err = ek.Verify(x509.VerifyOptions{
		Roots: trusted, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, // crypto/x509 does not know the TCG's
	})
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return ca.TPM{}, errors.New("its certificate, or one above it, is not valid: out of time, or not allowed to sign it")
	}
	if err != nil {
		return ca.TPM{}, errors.New("its certificate does not lead to one of the role's tpm_roots")
	}
	return tpm, nil
}

// tpmName reads what a certificate calls its TPM: a directoryName of the
// subjectAltName.
func tpmName(cert *x509.Certificate) (ca.TPM, error) {
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(oidSubjectAltName) {
			if tpm, ok := readTPMName(ext.Value); ok {
				return tpm, nil
			}
		}
	}
	return ca.TPM{}, errors.New("its certificate does not name the TPM's manufacturer, model and version")
}

// readTPMName reads a SubjectAltName: manufacturer, model and version, each once, in
// one directoryName, in whatever order and grouping. Other names may stand beside it.
func readTPMName(san cryptobyte.String) (found ca.TPM, ok bool) {
	var list, name cryptobyte.String
	if !san.ReadASN1(&list, tag.SEQUENCE) || !san.Empty() {
		return found, false
	}
	directory := tag.Tag(4).ContextSpecific().Constructed()
	for !list.Empty() {
		var kind tag.Tag
		if !list.ReadAnyASN1(&name, &kind) {
			return ca.TPM{}, false
		}
		if kind != directory {
			continue
		}
		if ok {
			return ca.TPM{}, false // which of two it is nobody can say
		}
		if found, ok = readDirectoryName(name); !ok {
			return ca.TPM{}, false
		}
	}
	return found, ok
}

func readDirectoryName(name cryptobyte.String) (found ca.TPM, ok bool) {
	var rdns, set, attribute cryptobyte.String
	if !name.ReadASN1(&rdns, tag.SEQUENCE) || !name.Empty() {
		return found, false
	}
	for !rdns.Empty() {
		if !rdns.ReadASN1(&set, tag.SET) || set.Empty() {
			return ca.TPM{}, false
		}
		for !set.Empty() {
			var oid asn1.ObjectIdentifier
			var value cryptobyte.String
			var kind tag.Tag
			if !set.ReadASN1(&attribute, tag.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
				!attribute.ReadAnyASN1(&value, &kind) || !attribute.Empty() {
				return ca.TPM{}, false
			}
			to := map[string]*string{oidManufacturer.String(): &found.Manufacturer, oidModel.String(): &found.Model, oidVersion.String(): &found.Version}[oid.String()]
			if to == nil {
				continue
			}
			if *to != "" || kind != tag.UTF8String && kind != tag.PrintableString || !plain(value) {
				return ca.TPM{}, false
			}
			*to = string(value)
		}
	}
	return found, found.Manufacturer != "" && found.Model != "" && found.Version != ""
}

// plain reports whether the text is one that can stand in a certificate of ours, and in
// the log.
func plain(text []byte) bool {
	return len(text) > 0 && len(text) <= 64 && utf8.Valid(text) && !slices.ContainsFunc(text, func(b byte) bool { return b < ' ' || b == 0x7f })
}
