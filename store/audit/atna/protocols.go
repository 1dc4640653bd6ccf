package atna

import "strings"

// A step is what one operation of a protocol is told as.
type step struct {
	operation string
	event     *event
	verb      text
}

// fhirSteps are the interactions of FHIR's REST API, with what BALP has of them: the
// profile of a success, and the roles of the two ends, who go by which way the data goes.
// A guard's "conditional-" is told by what it is a condition of.
var fhirSteps = [...]struct {
	interaction    string
	code           text
	verb           text
	client, server *code
	profile        text
}{
	{"read", "read", "R", &destination, &origin, "Read"},
	{"vread", "vread", "R", &destination, &origin, "Read"},
	{"create", "create", "C", &origin, &destination, "Create"},
	{"update", "update", "U", &origin, &destination, "Update"},
	{"patch", "patch", "U", &origin, &destination, "Update"},
	{"delete", "delete", "D", &application, &custodian, "Delete"},
	{"search-type", "search-type", "E", &origin, &destination, ""},
	{"search-system", "search-system", "E", &origin, &destination, ""},
	{"history-instance", "history-instance", "R", &destination, &origin, ""},
	{"history-type", "history-type", "R", &destination, &origin, ""},
	{"history-system", "history-system", "R", &destination, &origin, ""},
	{"capabilities", "capabilities", "R", &destination, &origin, ""},
	{"batch", "batch", "E", &origin, &destination, ""},
	{"operation", "operation", "E", &origin, &destination, ""}, // and whatever else there is
}

func (m *Message) fhir(a access) {
	name := strings.TrimPrefix(a.operation, "conditional-")
	for i := range fhirSteps {
		s := &fhirSteps[i]
		if s.interaction != name && i < len(fhirSteps)-1 {
			continue
		}
		m.event, m.verb = restful, s.verb
		m.types = append(m.types, code{interactions, s.code, s.code})
		m.people = m.ends(a, *s.client, *s.server)
		if strings.HasPrefix(name, "search-") {
			m.object.role = search
		}
		if s.profile != "" && m.indicator == fine && a.outcome != cut && m.people[0].address != "" && m.people[1].address != "" && m.object.kind != "" {
			m.profile = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit." + s.profile
		}
		return
	}
}

// typeName returns the name of a FHIR type, if s is like one.
func typeName(s string) text {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || 'z' < c {
			return ""
		}
	}
	return token(s, "")
}

var httpVerbs = map[string]text{"GET": "R", "HEAD": "R", "OPTIONS": "R", "POST": "C", "PUT": "U", "PATCH": "U", "DELETE": "D"}

// http is any other request: a restful operation, though none of FHIR's.
func (m *Message) http(a access) {
	m.event, m.verb = restful, restful.verb
	if verb, ok := httpVerbs[a.operation]; ok {
		m.verb = verb
	}
	client, server := origin, destination
	if m.verb == "R" {
		client, server = destination, origin
	}
	m.people = m.ends(a, client, server)
}

// dicomSteps are the commands of PS3.7. A guard is not the receiver of what is stored and
// does not know what that holds already, so that it tells a transfer as a read (PS3.15,
// Section A.5.3.7).
var dicomSteps = [...]step{
	{"C-STORE", instancesTransferred, "R"},
	{"C-GET", beginTransferring, "E"},
	{"C-MOVE", beginTransferring, "E"},
	{"C-FIND", query, "E"},
	{"N-GET", instancesAccessed, "R"},
	{"N-SET", instancesAccessed, "U"},
	{"N-CREATE", instancesAccessed, "C"},
	{"N-DELETE", instancesAccessed, "D"},
	{"N-ACTION", procedureRecord, "E"},
	{"N-EVENT-REPORT", procedureRecord, "R"},
	{"C-ECHO", applicationActivity, "E"},
}

func (m *Message) dicom(a access) {
	m.event, m.verb = applicationActivity, applicationActivity.verb
	for _, s := range dicomSteps {
		if s.operation == a.operation {
			m.event, m.verb = s.event, s.verb
		}
	}
	m.people = m.ends(a, origin, destination)
}

// hl7Steps are the kinds of messages of HL7 v2, table 0076, whose records DICOM has a
// name for; "" is all others: results, documents and schedules that go to somebody.
var hl7Steps = [...]step{
	{"ADT", patientRecord, "U"},
	{"BAR", patientRecord, "U"},
	{"PPR", patientRecord, "U"},
	{"OMB", orderRecord, "U"},
	{"OMD", orderRecord, "U"},
	{"OMG", orderRecord, "U"},
	{"OMI", orderRecord, "U"},
	{"OML", orderRecord, "U"},
	{"OMN", orderRecord, "U"},
	{"OMP", orderRecord, "U"},
	{"OMS", orderRecord, "U"},
	{"ORM", orderRecord, "U"},
	{"RDE", orderRecord, "U"},
	{"QBP", query, "E"},
	{"QRY", query, "E"},
	{"QSB", query, "E"},
	{"", dataImport, "C"},
}

func (m *Message) hl7(a access) {
	kind, _, _ := strings.Cut(a.operation, "^")
	for _, s := range hl7Steps {
		if s.operation == kind || s.operation == "" {
			m.event, m.verb = s.event, s.verb
			break
		}
	}
	if len(kind) == 3 && strings.ToUpper(kind) == kind {
		if t := token(kind, ""); t != "" {
			m.types = append(m.types, code{messageTypes, t, t})
		}
	}
	m.people = m.ends(a, origin, destination)
}
