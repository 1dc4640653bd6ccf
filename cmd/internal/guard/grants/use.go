package grants

import (
	"errors"
	"strings"
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// An access is what one record says was asked for. It is comparable.
type access struct {
	guard    string // SPIFFE ID; "" where rules do not depend on it
	listener string
	kind     allow.Kind

	// HTTP: route and method. FHIR: type and interaction. HL7: the message is what was
	// done. DICOM: SOP class and command.
	what, how string

	compartment, also string // FHIR
	called, calling   string // DICOM
}

// accessOf returns what a record says was asked for, and whether it counts: refusals
// are of nobody's need, the end of a connection says nothing that its beginning did not,
// and the beginning of a request nothing that its end will not.
func accessOf(r record.Record) (a access, counts bool) {
	passed := r.Outcome == record.Allowed || r.Outcome == record.Observed || r.Rule != ""
	again := r.Kind == record.Connection && r.Operation == "close" || r.Kind == record.Request && r.End.IsZero()
	if r.Side != record.Server || r.Outcome == record.Refused || !passed || again {
		return access{}, false
	}
	a = access{guard: r.Guard, listener: r.Route, what: r.Resource, how: r.Operation}
	switch r.Protocol {
	case record.TCP:
		a.kind, a.what, a.how = allow.TCP, "", ""
		return a, true
	case record.HTTP:
		a.kind = allow.HTTP
		if r.Kind == record.Connection { // it was upgraded, which is asked for by GET
			a.how = "GET"
		}
		return a, true
	case record.FHIR:
		a.kind, a.compartment, a.also = allow.FHIR, r.Compartment, r.Also
		return a, true
	case record.MLLP:
		a.kind, a.what = allow.HL7, ""
		return a, r.Kind == record.Message
	case record.DICOM:
		a.kind, a.called, a.calling = allow.DICOM, r.Called, r.Calling
		a.what, _, _ = strings.Cut(r.Resource, " ") // without the class's name
		byTarget := strings.HasPrefix(r.Number, "t")
		if byTarget && a.how == "C-STORE" {
			a.how = "C-GET" // the target sends what the caller gets
		}
		return a, r.Kind == record.Message && (!byTarget || a.how == "C-GET" || a.how == "N-EVENT-REPORT")
	}
	return access{}, false
}

// request returns the access as rules are asked about it.
func (a access) request() *allow.Request {
	r := &allow.Request{Kind: a.kind, Listener: a.listener}
	switch a.kind {
	case allow.HTTP:
		r.Method, r.Path = a.how, pathLike(a.what)
	case allow.FHIR:
		r.Interaction, r.Type, r.Compartment = a.how, a.what, a.compartment
		for _, t := range a.types() {
			r.Also = append(r.Also, strings.ReplaceAll(t, "*", ""))
		}
	case allow.HL7:
		r.Message = a.how
	case allow.DICOM:
		r.Called, r.Calling, r.SOPClass, r.Command = a.called, a.calling, a.what, a.how
	}
	return r
}

// key orders accesses.
func (a access) key() string {
	return strings.Join([]string{a.called, a.calling, a.compartment, a.also, a.what, a.how}, "\n")
}

// types are those that may come along.
func (a access) types() []string {
	if a.also == "" {
		return nil
	}
	return strings.Split(a.also, ",")
}

// pathLike returns a path of a route: a * is a segment of its own name.
func pathLike(route string) string {
	return strings.ReplaceAll(strings.TrimSuffix(route, "{$}"), "*", "x")
}

// rule returns the least rule for the access alone, for some peers. It is exact but for
// a route that ends in "/", which is of everything below.
func (a access) rule(name string, peers []string) allow.Rule {
	r := allow.Rule{Name: name, Peers: peers, Listeners: []string{a.listener}}
	switch a.kind {
	case allow.TCP:
		r.TCP = true
	case allow.HTTP:
		r.HTTP = &allow.HTTPRule{Methods: []string{a.how}, Routes: []string{a.what}}
	case allow.FHIR:
		r.FHIR = &allow.FHIRRule{Interactions: []string{a.how}}
		if a.what != "" {
			r.FHIR.Types, r.FHIR.Include = []string{a.what}, a.types()
		}
		if a.compartment != "" {
			r.FHIR.Compartments = []string{a.compartment}
		}
	case allow.HL7:
		r.HL7 = &allow.HL7Rule{Messages: []string{a.how}}
	case allow.DICOM:
		r.DICOM = &allow.DICOMRule{Called: []string{a.called}, Calling: []string{a.calling}, SOPClasses: []string{a.what}, Commands: []string{a.how}}
	}
	return r
}

// A use is how often somebody did something, and when last.
type use struct {
	count int64
	last  time.Time
}

func (u *use) add(v use) {
	u.count += v.count
	if v.last.After(u.last) {
		u.last = v.last
	}
}

// ErrTooMany reports that there are more different accesses than one list of rules can
// tell apart.
var ErrTooMany = errors.New("the records are of more than 100,000 different accesses: look at fewer guards, or a shorter time")

const maxUses = 100_000
