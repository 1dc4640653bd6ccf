package enroll

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"

	"github.com/betonica/betonica/store"
)

// The types of an identifier: RFC 8555, Section 9.7.7; RFC 8738, Section 3; and
// draft-ietf-acme-device-attest.
const (
	identifierDNS       = "dns"
	identifierIP        = "ip"
	identifierPermanent = "permanent-identifier"
)

// An IdentifierError reports that an identity cannot have an identifier, whatever
// is shown. Its text is meant for the caller.
type IdentifierError struct {
	Identifier store.OrderIdentifier
	Reason     string
}

func (e *IdentifierError) Error() string {
	return fmt.Sprintf("identifier %q: %s", dnsName(e.Identifier), e.Reason)
}

// A ProfileError reports that there is no such profile for the account. Its text is
// meant for the caller.
type ProfileError struct {
	Profile string
}

func (e *ProfileError) Error() string {
	if e.Profile == "" {
		return "the account is bound to nobody: its orders need a profile"
	}
	return fmt.Sprintf("there is no profile %.64q for this account", e.Profile)
}

// dnsName is the name that a certificate carries for the identifier.
func dnsName(id store.OrderIdentifier) string {
	if id.Wildcard {
		return "*." + id.Value
	}
	return id.Value
}

// identifiers are those that a certificate with the names of cert takes an
// authorization for.
func identifiers(cert *x509.Certificate) []store.OrderIdentifier {
	var ids []store.OrderIdentifier
	for _, name := range cert.DNSNames {
		domain, wildcard := strings.CutPrefix(name, "*.")
		ids = append(ids, store.OrderIdentifier{Identifier: store.Identifier{Type: identifierDNS, Value: domain}, Wildcard: wildcard})
	}
	for _, ip := range cert.IPAddresses {
		addr, _ := netip.AddrFromSlice(ip) // a certificate of ours has no other
		ids = append(ids, store.OrderIdentifier{Identifier: store.Identifier{Type: identifierIP, Value: addr.Unmap().String()}})
	}
	return ids
}
