package enroll

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSerialNumber   = asn1.ObjectIdentifier{2, 5, 4, 5}                // RFC 4519, Section 2.31
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}              // RFC 5280, Section 4.2.1.6
	oidHardwareModule = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 4} // RFC 4108, Section 5
	errNoSerial       = errors.New("it has no serial number: neither in its subject, nor as hardwareModuleName")
)

// maxBirthSerial is the longest serial number of a device, in characters (RFC 5280,
// Appendix A.1: ub-serial-number).
const maxBirthSerial = 64

// deviceSerial returns the manufacturer's serial number of a device, as the inventory
// has it: the serialNumber of the subject; without that the hwSerialNum of the
// hardwareModuleName, in hex if it is no text.
func deviceSerial(cert *x509.Certificate) (string, error) {
	serial, count := "", 0
	for _, attribute := range cert.Subject.Names {
		if attribute.Type.Equal(oidSerialNumber) {
			serial, _ = attribute.Value.(string)
			count++
		}
	}
	switch {
	case count > 1:
		return "", errors.New("its subject has more than one serial number")
	case count == 1:
		return checkSerial(serial)
	}
	for _, extension := range cert.Extensions {
		if extension.Id.Equal(oidSubjectAltName) {
			return hardwareSerial(extension.Value)
		}
	}
	return "", errNoSerial
}

// hardwareSerial returns the serial number of the only hardwareModuleName among the
// subject alternative names.
func hardwareSerial(san cryptobyte.String) (string, error) {
	malformed := errors.New("its subject alternative name is malformed")
	var names cryptobyte.String
	if !san.ReadASN1(&names, der.SEQUENCE) || !san.Empty() {
		return "", malformed
	}
	serial, count := []byte(nil), 0
	for !names.Empty() {
		var name, explicit, module, number cryptobyte.String
		var tag der.Tag
		var oid asn1.ObjectIdentifier
		if !names.ReadAnyASN1(&name, &tag) {
			return "", malformed
		}
		if tag != der.Tag(0).ContextSpecific().Constructed() {
			continue
		}
		if !name.ReadASN1ObjectIdentifier(&oid) {
			return "", malformed
		}
		if !oid.Equal(oidHardwareModule) {
			continue
		}
		if !name.ReadASN1(&explicit, der.Tag(0).ContextSpecific().Constructed()) || !name.Empty() ||
			!explicit.ReadASN1(&module, der.SEQUENCE) || !explicit.Empty() ||
			!module.ReadASN1ObjectIdentifier(&oid) || !module.ReadASN1(&number, der.OCTET_STRING) || !module.Empty() {
			return "", errors.New("its hardwareModuleName is malformed")
		}
		serial = number
		count++
	}
	switch {
	case count == 0:
		return "", errNoSerial
	case count > 1:
		return "", errors.New("it has more than one hardwareModuleName")
	case printable(string(serial)):
		return checkSerial(string(serial))
	}
	return checkSerial(hex.EncodeToString(serial))
}

// checkSerial refuses what no manufacturer would print on a device, and nobody could read
// in a log.
func checkSerial(s string) (string, error) {
	if s == "" || len(s) > maxBirthSerial || !printable(s) {
		return "", fmt.Errorf("its serial number is not of 1 to %d printable characters", maxBirthSerial)
	}
	return s, nil
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
