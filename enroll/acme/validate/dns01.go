package validate

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
)

// maxRecords is how many TXT records are looked at. Orders that are under way at
// once, or share a name by CNAME, make a few.
const maxRecords = 100

// dns01 asks the resolver for the digest of the key authorization (RFC 8555,
// Section 8.4). The resolver follows CNAMEs.
func (v *Validator) dns01(ctx context.Context, c Challenge, s subject) error {
	ctx, cancel := context.WithTimeout(ctx, v.lookup)
	defer cancel()
	records, err := v.resolver.LookupTXT(ctx, rooted("_acme-challenge."+s.name))
	if err != nil {
		return dnsError("TXT at _acme-challenge."+s.name, err)
	}
	if len(records) > maxRecords {
		return incorrect("there are more than " + strconv.Itoa(maxRecords) + " TXT records at _acme-challenge." + s.name)
	}
	sum := sha256.Sum256([]byte(c.KeyAuthorization))
	want := []byte(base64.RawURLEncoding.EncodeToString(sum[:]))
	found := 0
	for _, record := range records {
		found |= subtle.ConstantTimeCompare([]byte(record), want)
	}
	if found == 0 {
		return incorrect("no TXT record at _acme-challenge." + s.name + " is the digest of the key authorization")
	}
	return nil
}
