package atna

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// accessPrefix is what the actions of guards' records begin with; the rest is the kind.
const accessPrefix = "access."

// An access is what a guard wrote down of one. It is read leniently: what is not of the
// type that guards write counts as not there.
type access struct {
	begin, end                             time.Time
	caller, address, target, guard         string
	protocol, operation, resource, outcome string
	reason, compartment, answer            string
	called, calling, link, numbered, side  string
	status                                 int64
}

func newAccess(e audit.Entry) access {
	str := func(name string) string { s, _ := e.Detail[name].(string); return s }
	moment := func(name string) time.Time { t, _ := time.Parse(time.RFC3339Nano, str(name)); return t }
	a := access{
		begin: moment("begin"), end: moment("end"),
		caller: e.Actor, address: e.Address, target: e.Subject, guard: str("guard"),
		protocol: str("protocol"), operation: str("operation"), resource: str("resource"), outcome: e.Outcome,
		reason: str("reason"), compartment: str("compartment"), answer: str("answer"),
		called: str("called"), calling: str("calling"), link: str("link"), numbered: str("number"), side: str("side"),
	}
	switch n := e.Detail["status"].(type) {
	case int64:
		a.status = n
	case json.Number:
		a.status, _ = n.Int64()
	}
	return a
}

// The outcomes of guards' records.
const (
	allowed  = "allowed"
	refused  = "refused"
	observed = "observed"
	cut      = "cut"
)

// tellAccess fills in a guard's record of the kind.
func (m *Message) tellAccess(kind string, a access) {
	if a.guard != "" {
		m.source.id = clean(a.guard, maxSource)
	}
	if m.request == "" && a.numbered != "" {
		m.request = clean(a.link+"/"+a.numbered, maxRequest)
	}
	m.lasted(a.begin, a.end)
	m.indicator, m.why = m.ended(a)
	m.notable = a.outcome == observed
	own := code{own, m.entry.action, accessMeaning(kind)}
	switch {
	case a.outcome == refused && a.operation == "handshake":
		m.stranger(a)
		m.types = append(m.types, *nodeAuthentication, own)
	case a.outcome == refused:
		m.denied(a)
		m.types = append(m.types, *authorization, own)
	case kind == "connection" || kind == "association":
		m.session(a)
		m.types = append(m.types, own)
	default:
		m.exchange(a)
		m.types = append(m.types, own)
	}
}

func accessMeaning(kind string) text {
	switch kind {
	case "connection":
		return "Connection through a guard"
	case "association":
		return "DICOM association through a guard"
	case "request":
		return "HTTP request through a guard"
	case "message":
		return "Message through a guard"
	}
	return "Access through a guard"
}

// ended says how the access ended, and why. A connection that a guard ends for being idle
// or too old ended well.
func (m *Message) ended(a access) (indicator, text) {
	why := clean(a.reason, maxOutcome)
	switch a.outcome {
	case allowed:
		return answered(a), why
	case observed:
		if why == "" {
			why = "no rule allows it"
		}
		return answered(a), "let through all the same: " + why
	case cut:
		if a.reason == "idle" || a.reason == "too old" {
			return fine, why
		}
	}
	if why == "" {
		why = orUnknown(m.entry.outcome)
	}
	return minor, why
}

// answered says what the target's answer says: whether what was let through was done.
func answered(a access) indicator {
	failed := false
	switch a.protocol {
	case "http", "fhir":
		if a.status >= 500 {
			return serious
		}
		failed = a.status >= 400
	case "hl7": // HL7 v2, table 0008
		failed = len(a.answer) == 2 && a.answer != "AA" && a.answer != "CA"
	case "dicom": // PS3.7, Annex C: success, warning, pending; the rest is failure or cancel
		s := a.status
		failed = s != 0 && s != 1 && s != 0x0107 && s != 0x0116 && s>>12 != 0xb && s != 0xff00 && s != 0xff01
	}
	if failed {
		return minor
	}
	return fine
}

// ends are the two ends of an access, in these roles. A guard stands before the server,
// at whose address it is then, or beside the caller.
func (m *Message) ends(a access, client, server code) []participant {
	at := m.source.address
	if a.side == "client" {
		at = ""
	}
	return []participant{
		{id: orUnknown(clean(a.caller, maxID)), alias: clean(aeTitle(a.calling), maxName), role: client, address: host(a.address), requestor: true},
		{id: orUnknown(clean(a.target, maxID)), alias: clean(aeTitle(a.called), maxName), role: server, address: at},
	}
}

// aeTitle names an application entity (PS3.15, Section A.5.2.2).
func aeTitle(s string) string {
	if s == "" {
		return ""
	}
	return "AETITLES=" + s
}

// stranger is a connection that was refused before anybody was let in: a failed node
// authentication is a Security Alert (PS3.15, Section A.5.3.11; IHE ITI-19).
func (m *Message) stranger(a access) {
	m.event, m.verb = securityAlert, securityAlert.verb
	who, where := orUnknown(clean(a.caller, maxID)), host(a.address)
	m.people = []participant{
		{id: who, role: origin, address: where, requestor: true},
		{id: m.source.id, role: destination, address: m.source.address, reporter: true},
	}
	m.object = object{id: who, name: who, objectKind: *node}
	if a.caller == "" && where != "" {
		m.object.id, m.object.name = where, where
	}
}

// denied is an access that no rule allows: an authorization decision, as BALP has it,
// though without the patient, the user and the consent, of which a guard knows nothing.
func (m *Message) denied(a access) {
	m.event, m.verb = securityAlert, securityAlert.verb
	m.people = []participant{
		{id: orUnknown(clean(a.caller, maxID)), alias: clean(aeTitle(a.calling), maxName), role: application, address: host(a.address), requestor: true},
		{id: m.source.id, role: authorizer, address: m.source.address, reporter: true},
	}
	m.object = objectOf(a)
}

// session is a connection or an association that began or ended: who was let in has shown
// who he is, so it is a login, and its end a logout, with the reason (Section A.5.3.12).
func (m *Message) session(a access) {
	m.event, m.verb = userAuthentication, userAuthentication.verb
	m.people = m.ends(a, origin, destination)
	m.object = objectOf(a)
	kind := login
	if a.operation == "close" || a.outcome == cut {
		kind = logout
	}
	m.types = append(m.types, *kind)
}

// exchange is a request or a message that went through.
func (m *Message) exchange(a access) {
	m.object = objectOf(a)
	switch a.protocol {
	case "fhir":
		m.fhir(a)
	case "http":
		m.http(a)
	case "hl7":
		m.hl7(a)
	case "dicom":
		m.dicom(a)
	default:
		m.event, m.verb = restful, restful.verb
		m.people = m.ends(a, origin, destination)
	}
}

// objectOf is what an access was to: the kind of data if that is known, else the target.
func objectOf(a access) object {
	o := object{objectKind: objectKind{resourceID, domain}}
	name := a.resource
	switch a.protocol {
	case "hl7":
		o.idType, o.role, name = messageID, report, a.operation
	case "dicom":
		o.role = report
		if strings.Trim(a.resource, "0123456789.") == "" && a.resource != "" {
			o.idType = sopClassUID
		}
	case "fhir":
		o.kind = typeName(a.resource)
	}
	if name == "" {
		name = a.target
	}
	o.id = orUnknown(clean(name, maxID))
	o.name = o.id
	return o
}
