package crl

import "github.com/betonica/betonica/revoke/x690"

// The contents of the OIDs of the extensions, 2.5.29.n.
const (
	oidNumber         = "\x55\x1d\x14"
	oidReason         = "\x55\x1d\x15"
	oidDelta          = "\x55\x1d\x1b" // deltaCRLIndicator
	oidScope          = "\x55\x1d\x1c" // issuingDistributionPoint
	oidAuthorityKeyID = "\x55\x1d\x23"
	oidFreshest       = "\x55\x1d\x2e" // freshestCRL
)

// An extension is one to be written.
type extension struct {
	oid      []byte
	critical bool
	value    []byte
}

// encode returns the extension in DER.
func (e extension) encode() []byte {
	var critical []byte
	if e.critical {
		critical = []byte{x690.Boolean, 1, 0xff}
	}
	return element(x690.Sequence, element(x690.OID, e.oid), critical, element(x690.OctetString, e.value))
}
