package rulefile

import (
	"encoding/json"
	"strings"

	"github.com/betonica/betonica/revoke/allow"
)

// Append writes a rule as [[allow]], which [Parse] reads back as the same. Peers of the
// trust domain are written without it; none shortens nothing. Each comment is a line of
// its own above the rule.
func Append(b []byte, r allow.Rule, trustDomain string, comments ...string) []byte {
	return appendTable(b, r, trustDomain, nil, comments)
}

// AppendPolicy is Append for the CA's policy, where a rule says at which guards it holds.
func AppendPolicy(b []byte, r allow.Rule, trustDomain string, guards []string, comments ...string) []byte {
	return appendTable(b, r, trustDomain, guards, comments)
}

func appendTable(b []byte, r allow.Rule, trustDomain string, guards, comments []string) []byte {
	for _, c := range comments {
		b = append(b, "# "+printable(c)+"\n"...)
	}
	b = append(b, "[["+Key+"]]\nname = "+quote(r.Name)+"\n"...)
	if guards != nil {
		b = append(b, "guards = "+list(guards)+"\n"...)
	}
	peers := make([]string, len(r.Peers))
	for i, p := range r.Peers {
		peers[i] = p
		if trustDomain != "" {
			peers[i] = strings.TrimPrefix(p, scheme+trustDomain+"/")
		}
	}
	b = append(b, "peers = "+list(peers)+"\n"...)
	if r.Listeners != nil {
		b = append(b, "listener = "+list(r.Listeners)+"\n"...)
	}
	switch r.Kind() {
	case allow.TCP:
		b = append(b, "tcp = true\n"...)
	case allow.HTTP:
		b = inline(b, r.Kind(), pair{"methods", r.HTTP.Methods}, pair{"routes", r.HTTP.Routes})
	case allow.FHIR:
		b = inline(b, r.Kind(), pair{"interactions", r.FHIR.Interactions}, pair{"types", r.FHIR.Types}, pair{"include", r.FHIR.Include}, pair{"compartments", r.FHIR.Compartments})
	case allow.HL7:
		b = inline(b, r.Kind(), pair{"messages", r.HL7.Messages})
	case allow.DICOM:
		b = inline(b, r.Kind(), pair{"called", r.DICOM.Called}, pair{"calling", r.DICOM.Calling},
			pair{"sop_classes", r.DICOM.SOPClasses}, pair{"commands", r.DICOM.Commands})
	}
	return b
}

type pair struct {
	key  string
	list []string
}

// inline writes a kind's table; what is nil is left out.
func inline(b []byte, kind allow.Kind, pairs ...pair) []byte {
	b = append(b, kind.String()+" = {"...)
	comma := " "
	for _, p := range pairs {
		if p.list != nil {
			b = append(b, comma+p.key+" = "+list(p.list)...)
			comma = ", "
		}
	}
	if comma == " " {
		return append(b, "}\n"...)
	}
	return append(b, " }\n"...)
}

func list(items []string) string {
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// quote writes a basic string of TOML, which a string of JSON is but for DEL.
func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always marshal
	}
	return strings.ReplaceAll(string(text), "\x7f", `\u007f`)
}

// printable keeps a comment on its line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
