package enroll

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxBirthChain is how many certificates of a birth certificate's chain are looked at, its
// own included.
const maxBirthChain = 6

// verifyBirth returns nil if one of the roots vouches for the first certificate as a birth
// certificate (IEEE 802.1AR-2018, Section 8: IDevID), by way of the others. All of the
// chain must be in time now; a birth certificate itself may be good for ever
// (99991231235959Z). Keys and signatures that are weak today count for nothing, whatever
// they were when the device was made.
func verifyBirth(roots, chain []*x509.Certificate, now time.Time) error {
	if len(chain) > maxBirthChain {
		return fmt.Errorf("a chain of %d certificates; at most %d are taken", len(chain), maxBirthChain)
	}
	for _, cert := range chain { // before any signature is checked: a key of the caller's size costs what the caller likes
		if err := strongKey(cert); err != nil {
			return err
		}
	}
	leaf := *chain[0]
	switch {
	case leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return errors.New("it is the certificate of an authority, not of a device")
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("its key usage has no digitalSignature")
	}
	// A name that crypto/x509 does not know, such as the hardwareModuleName, may be the
	// only one, and then critical (RFC 5280, Section 4.2.1.6). deviceSerial reads it.
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions),
		func(oid asn1.ObjectIdentifier) bool { return oid.Equal(oidSubjectAltName) })
	opts := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		// None, clientAuth or any (IEEE 802.1AR-2018, Section 8.10).
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, root := range roots {
		if strongKey(root) == nil {
			opts.Roots.AddCert(root)
		}
	}
	for _, cert := range chain[1:] {
		opts.Intermediates.AddCert(cert)
	}
	if _, err := leaf.Verify(opts); err != nil {
		return err
	}
	return nil
}

// strongKey refuses the keys that nobody should have trusted.
func strongKey(cert *x509.Certificate) error {
	switch k := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 || bits > 8192 {
			return fmt.Errorf("an RSA key of %d bits; 2048 to 8192 are taken", bits)
		}
		return nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() {
			return errors.New("a key on the curve P-224")
		}
		return nil
	case ed25519.PublicKey:
		return nil
	}
	return errors.New("a key of an unknown kind")
}
