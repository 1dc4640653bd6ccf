package acme

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	strict "github.com/go-jose/go-jose/v4/json"
)

// The objects of RFC 8555, Section 7.1, as JSON has them. A member of a request
// that is not here is ignored, as Section 7.3 demands.

// directoryObject is RFC 8555, Section 7.1.1; profiles are of draft-ietf-acme-profiles.
type directoryObject struct {
	NewNonce    string        `json:"newNonce"`
	NewAccount  string        `json:"newAccount"`
	NewOrder    string        `json:"newOrder"`
	RevokeCert  string        `json:"revokeCert"`
	KeyChange   string        `json:"keyChange"`
	RenewalInfo string        `json:"renewalInfo"` // RFC 9773, Section 3
	Meta        directoryMeta `json:"meta"`
}

type directoryMeta struct {
	TermsOfService          string            `json:"termsOfService,omitempty"`
	ExternalAccountRequired bool              `json:"externalAccountRequired"`
	Profiles                map[string]string `json:"profiles,omitempty"`
}

// accountRequest is newAccount (Section 7.3) and the update of an account.
type accountRequest struct {
	Contact              *[]string        `json:"contact"`
	TermsOfServiceAgreed bool             `json:"termsOfServiceAgreed"`
	OnlyReturnExisting   bool             `json:"onlyReturnExisting"`
	ExternalAccount      *json.RawMessage `json:"externalAccountBinding"`
	Status               string           `json:"status"`
}

// accountObject is Section 7.1.2.
type accountObject struct {
	Status               string   `json:"status"`
	Contact              []string `json:"contact,omitempty"`
	TermsOfServiceAgreed bool     `json:"termsOfServiceAgreed,omitempty"`
	Orders               string   `json:"orders"`
}

// ordersList is Section 7.1.2.1.
type ordersList struct {
	Orders []string `json:"orders"`
}

// identifier is Section 9.7.7: "dns", "ip" (RFC 8738), "permanent-identifier".
type identifier struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// orderRequest is newOrder (Section 7.4).
type orderRequest struct {
	Identifiers []identifier `json:"identifiers"`
	NotBefore   *string      `json:"notBefore"`
	NotAfter    *string      `json:"notAfter"`
	Profile     string       `json:"profile"`
	Replaces    *string      `json:"replaces"` // RFC 9773, Section 5
}

// orderObject is Section 7.1.3.
type orderObject struct {
	Status         string          `json:"status"`
	Expires        time.Time       `json:"expires"`
	Identifiers    []identifier    `json:"identifiers"`
	Profile        string          `json:"profile,omitempty"`
	Replaces       string          `json:"replaces,omitempty"`
	Error          json.RawMessage `json:"error,omitempty"`
	Authorizations []string        `json:"authorizations"`
	Finalize       string          `json:"finalize"`
	Certificate    string          `json:"certificate,omitempty"`
}

// authorizationObject is Section 7.1.4.
type authorizationObject struct {
	Identifier identifier        `json:"identifier"`
	Status     string            `json:"status"`
	Expires    time.Time         `json:"expires"`
	Challenges []challengeObject `json:"challenges"`
	Wildcard   bool              `json:"wildcard,omitempty"`
}

// challengeObject is Section 7.1.5.
type challengeObject struct {
	Type      string          `json:"type"`
	URL       string          `json:"url"`
	Status    string          `json:"status"`
	Token     string          `json:"token"`
	Validated *time.Time      `json:"validated,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
}

// renewalInfo is RFC 9773, Section 4.2.
type renewalInfo struct {
	SuggestedWindow suggestedWindow `json:"suggestedWindow"`
}

type suggestedWindow struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// decode reads one JSON object into to, of which it takes each name in its case
// and once, as encoding/json does not. The error is a [*problem] that repeats
// nothing of the text.
func decode(text []byte, to any) error {
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return malformed("JSON: not an object") // null would be one, for the decoder
	}
	if err := strict.Unmarshal(text, to); err != nil {
		return malformed("JSON: malformed, or a member twice or of the wrong type")
	}
	return nil
}

// decodeBase64 reads base64url with or without padding: some clients pad.
func decodeBase64(text string) ([]byte, error) {
	return base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
}
