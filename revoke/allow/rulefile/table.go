package rulefile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/betonica/betonica/ca/strict"
	"github.com/betonica/betonica/revoke/allow"
)

// A Table is [[allow]]: an [allow.Rule] as it is written. A nil slice or pointer is an
// absent key.
//
//	[[allow]]
//	name     = "pumps-report"
//	peers    = ["device/pump-*"]
//	listener = ["fhir"]
//	fhir     = { interactions = ["create"], types = ["Observation"] }
//
// The last line is one of
//
//	tcp   = true
//	http  = { methods = ["GET"], routes = ["/beds/*", "/wards/"] }
//	fhir  = { interactions = ["read", "search"], types = ["Observation"], include = ["Patient"], compartments = ["Patient"] }
//	hl7   = { messages = ["ADT^A01", "ORU^*"] }
//	dicom = { called = ["ARCHIVE"], calling = ["CT*"], sop_classes = ["1.2.840.10008.5.1.4.1.1.*"], commands = ["C-STORE"] }
//
// in which each key may be left out: {} is everything of the kind.
type Table struct {
	Name string `toml:"name"`

	// Peers are patterns of SPIFFE IDs. One without spiffe://TRUST-DOMAIN/ is of the
	// trust domain in which the rules hold: "device/pump-*", and "device" for every
	// machine of a role.
	Peers []string `toml:"peers"`

	Listener []string `toml:"listener"`
	TCP      *bool    `toml:"tcp"`
	HTTP     *struct {
		Methods []string `toml:"methods"`
		Routes  []string `toml:"routes"`
	} `toml:"http"`
	FHIR *struct {
		Interactions []string `toml:"interactions"`
		Types        []string `toml:"types"`
		Include      []string `toml:"include"`
		Compartments []string `toml:"compartments"`
	} `toml:"fhir"`
	HL7 *struct {
		Messages []string `toml:"messages"`
	} `toml:"hl7"`
	DICOM *struct {
		Called     []string `toml:"called"`
		Calling    []string `toml:"calling"`
		SOPClasses []string `toml:"sop_classes"`
		Commands   []string `toml:"commands"`
	} `toml:"dicom"`
}

// Key is the name of the tables.
const Key = "allow"

const scheme = "spiffe://"

// Rule returns the rule as it holds in a trust domain.
func (t Table) Rule(trustDomain string) allow.Rule {
	r := allow.Rule{Name: t.Name, Listeners: t.Listener, TCP: t.TCP != nil && *t.TCP}
	for _, peer := range t.Peers {
		if !strings.HasPrefix(peer, scheme) && peer != "" {
			peer = scheme + trustDomain + "/" + peer
		}
		r.Peers = append(r.Peers, peer)
	}
	if h := t.HTTP; h != nil {
		r.HTTP = &allow.HTTPRule{Methods: h.Methods, Routes: h.Routes}
	}
	if f := t.FHIR; f != nil {
		r.FHIR = &allow.FHIRRule{Interactions: f.Interactions, Types: f.Types, Include: f.Include, Compartments: f.Compartments}
	}
	if h := t.HL7; h != nil {
		r.HL7 = &allow.HL7Rule{Messages: h.Messages}
	}
	if d := t.DICOM; d != nil {
		r.DICOM = &allow.DICOMRule{Called: d.Called, Calling: d.Calling, SOPClasses: d.SOPClasses, Commands: d.Commands}
	}
	return r
}

// Rules makes a set of the tables in text, which it needs for the places of what is
// wrong: that comes back as joined [*strict.Error].
func Rules(file string, text []byte, tables []Table, trustDomain string) (allow.Set, error) {
	rules := make([]allow.Rule, len(tables))
	var wrong []*strict.Error
	for i, t := range tables {
		rules[i] = t.Rule(trustDomain)
		if t.TCP != nil && !*t.TCP {
			wrong = append(wrong, strict.At(file, text, errors.New("tcp = false says nothing: what no rule names is denied"), Key, i, "tcp", 0))
		}
	}
	set, err := allow.NewSet(rules...)
	for _, e := range all(err) {
		path := []any{Key, e.Index}
		if e.Key != "" {
			for _, part := range strings.Split(e.Key, ".") {
				path = append(path, part)
			}
		}
		if e.Item >= 0 {
			path = append(path, e.Item)
		}
		wrong = append(wrong, strict.At(file, text, describe(e, tables[e.Index]), path...))
	}
	if len(wrong) > 0 {
		return allow.Set{}, strict.Join(wrong)
	}
	return set, nil
}

// describe says what is wrong in the words of the file.
func describe(e *allow.RuleError, t Table) error {
	err := e.Err
	if e.Key == "peers" && e.Item >= 0 && !strings.HasPrefix(t.Peers[e.Item], scheme) {
		err = fmt.Errorf("%q is not a peer such as device/SN-*, or device for a whole role", clip(t.Peers[e.Item]))
	}
	if e.Name == "" {
		return err
	}
	return fmt.Errorf("rule %q: %w", clip(e.Name), err)
}

// all returns what NewSet joined.
func all(err error) (list []*allow.RuleError) {
	if one, ok := err.(*allow.RuleError); ok {
		return []*allow.RuleError{one}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			list = append(list, all(e)...)
		}
	}
	return list
}

// clip bounds what an error repeats of a file.
func clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
