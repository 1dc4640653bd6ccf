package atna_test

import (
	"encoding/json"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

// The CA of the samples, and a guard.
var (
	authority = atna.Source{
		ID: "spiffe://hospital.example/ca", Site: "hospital.example", Address: "ca.hospital.example", Origin: "hospital.example/log",
	}
	gateway = atna.Source{
		ID: "spiffe://hospital.example/gateway/icu", Site: "hospital.example", Address: "10.20.0.5", Origin: "hospital.example/journal/gateway/icu/5f1c", Guard: true,
	}
)

var moment = time.Date(2026, 11, 21, 21, 52, 2, 200e6, time.UTC)

const pump = "spiffe://hospital.example/device/pump-7"

func entry(e audit.Event) audit.Entry {
	return audit.Entry{Seq: 184467, At: moment, Event: e, Hash: tlog.RecordHash([]byte("leaf"))}
}

// access returns a guard's record, as it comes out of a journal. What is not given is
// that of a good one; "" takes it away.
func access(kind, outcome string, detail map[string]any) audit.Entry {
	all := map[string]any{
		"begin": "2026-11-21T21:52:01.100000Z", "end": "2026-11-21T21:52:02.150000Z", "guard": gateway.ID, "side": "server",
		"route": "fhir", "link": "AAECAwQFBgcICQoLDA0ODw", "number": "17", "in": json.Number("210"), "out": json.Number("4096"),
		"serial": "4f3a00c1d2e391", "rule": "pumps", "key": "5ec2e7",
	}
	for k, v := range detail {
		all[k] = v
		if v == "" {
			delete(all, k)
		}
	}
	return entry(audit.Event{
		Action: "access." + kind, Actor: pump, Subject: "https://fhir.hospital.example", Address: "10.20.7.19:41822", Outcome: outcome, Detail: all,
	})
}

// A sample is an entry, and what is to come of it.
type sample struct {
	name  string
	from  atna.Source
	entry audit.Entry

	event, kind    string // codes of the event, and of its first type
	verb, outcome  string
	profile        string // of BALP
	client, server string // roles
}

const balp = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."

var samples = []sample{
	{
		name: "issued", from: authority, event: "110113", kind: "110137", verb: "E", outcome: "0", client: "110153", server: "110150",
		entry: entry(audit.Event{
			Action: "certificate.issue", Actor: "device/pump-7", Subject: "device/pump-7", Address: "10.20.7.19", Outcome: "ok", RequestID: "r-77",
			Detail: map[string]any{"serial": "4f3a00c1d2e391", "role": "device", "names": []any{"pump-7.hospital.example"}, "days": json.Number("7")},
		}),
	},
	{
		name: "refused", from: authority, event: "110113", kind: "110132", verb: "E", outcome: "4", client: "110153", server: "110150",
		entry: entry(audit.Event{
			Action: "certificate.refuse", Actor: "device/pump-7", Subject: "device/pump-7", Address: "10.20.7.19", Outcome: `name "x" is not covered`,
		}),
	},
	{
		name: "revoked", from: authority, event: "110113", kind: "110137", verb: "E", outcome: "0", client: "110153", server: "110150",
		entry: entry(audit.Event{Action: "certificate.revoke", Actor: "person/alice", Subject: "device/pump-7", Address: "10.1.1.8", Outcome: "ok", Detail: map[string]any{"reason": "keyCompromise"}}),
	},
	{
		name: "by itself", from: authority, event: "110113", kind: "110133", verb: "E", outcome: "4", server: "110150",
		entry: entry(audit.Event{Action: "refusals.dropped", Actor: "self", Outcome: "ok", Detail: map[string]any{"count": json.Number("9")}}),
	},
	{
		name: "set back", from: authority, event: "110113", kind: "110133", verb: "E", outcome: "12", server: "110150",
		entry: entry(audit.Event{Action: "store.set-back", Subject: "store", Outcome: "alarm"}),
	},
	{
		name: "emergency begins", from: authority, event: "110113", kind: "110127", verb: "E", outcome: "0", client: "110153", server: "110150",
		entry: entry(audit.Event{Action: "power.begin", Actor: "person/alice", Subject: "power/9", Outcome: "ok", Detail: map[string]any{"break_glass": true}}),
	},
	{
		name: "emergency ends", from: authority, event: "110113", kind: "110138", verb: "E", outcome: "0", client: "110153", server: "110150",
		entry: entry(audit.Event{Action: "power.end", Actor: "person/alice", Subject: "power/9", Outcome: "ok", Detail: map[string]any{"break_glass": true}}),
	},
	{
		name: "unknown", from: authority, event: "110113", kind: "flux.capacitate", verb: "E", outcome: "4", client: "110153", server: "110150",
		entry: entry(audit.Event{Action: "flux.capacitate", Actor: "uid:0", Outcome: "no"}),
	},
	{
		name: "enrolled", from: authority, event: "110108", kind: "110124", verb: "E", outcome: "0", client: "110153", server: "110150",
		entry: entry(audit.Event{Action: "identity.create", Actor: "uid:0", Subject: "device/pump-7", Outcome: "ok"}),
	},

	{
		name: "FHIR read", from: gateway, event: "rest", kind: "read", verb: "R", outcome: "0", profile: balp + "Read", client: "110152", server: "110153",
		entry: access("request", "allowed", map[string]any{"protocol": "fhir", "operation": "read", "resource": "Observation", "compartment": "Patient", "status": json.Number("200")}),
	},
	{
		name: "FHIR read of what is not there", from: gateway, event: "rest", kind: "read", verb: "R", outcome: "4", client: "110152", server: "110153",
		entry: access("request", "allowed", map[string]any{"protocol": "fhir", "operation": "read", "resource": "Observation", "status": json.Number("404")}),
	},
	{
		name: "FHIR create", from: gateway, event: "rest", kind: "create", verb: "C", outcome: "0", profile: balp + "Create", client: "110153", server: "110152",
		entry: access("request", "allowed", map[string]any{"protocol": "fhir", "operation": "conditional-create", "resource": "Observation", "status": json.Number("201")}),
	},
	{
		name: "FHIR update", from: gateway, event: "rest", kind: "update", verb: "U", outcome: "0", profile: balp + "Update", client: "110153", server: "110152",
		entry: access("request", "allowed", map[string]any{"protocol": "fhir", "operation": "update", "resource": "Observation", "status": json.Number("200")}),
	},
	{
		name: "FHIR delete", from: gateway, event: "rest", kind: "delete", verb: "D", outcome: "0", profile: balp + "Delete", client: "110150", server: "custodian",
		entry: access("request", "allowed", map[string]any{"protocol": "fhir", "operation": "delete", "resource": "Observation", "status": json.Number("204")}),
	},
	{
		name: "FHIR search", from: gateway, event: "rest", kind: "search-type", verb: "E", outcome: "0", client: "110153", server: "110152",
		entry: access("request", "allowed", map[string]any{"protocol": "fhir", "operation": "search-type", "resource": "Observation", "status": json.Number("200")}),
	},
	{
		name: "FHIR operation", from: gateway, event: "rest", kind: "operation", verb: "E", outcome: "0", client: "110153", server: "110152",
		entry: access("request", "allowed", map[string]any{"protocol": "fhir", "operation": "instance/$everything", "resource": "Patient", "status": json.Number("200")}),
	},
	{
		name: "FHIR denied", from: gateway, event: "110113", kind: "AuthZ-Role", verb: "E", outcome: "4", client: "110150", server: "authserver",
		entry: access("request", "refused", map[string]any{"protocol": "fhir", "operation": "read", "resource": "Patient", "reason": "no rule allows it", "status": json.Number("403")}),
	},
	{
		name: "FHIR observed", from: gateway, event: "rest", kind: "read", verb: "R", outcome: "0", profile: balp + "Read", client: "110152", server: "110153",
		entry: access("request", "observed", map[string]any{"protocol": "fhir", "operation": "read", "resource": "Patient", "reason": "no rule allows it", "status": json.Number("200")}),
	},
	{
		name: "FHIR cut", from: gateway, event: "rest", kind: "read", verb: "R", outcome: "4", client: "110152", server: "110153",
		entry: access("request", "cut", map[string]any{"protocol": "fhir", "operation": "read", "resource": "Patient", "reason": "revoked"}),
	},
	{
		name: "HTTP", from: gateway, event: "rest", kind: "access.request", verb: "C", outcome: "8", client: "110153", server: "110152",
		entry: access("request", "allowed", map[string]any{"protocol": "http", "operation": "POST", "resource": "/v1/orders/{}", "status": json.Number("502")}),
	},
	{
		name: "HL7 ADT", from: gateway, event: "110110", kind: "ADT", verb: "U", outcome: "0", client: "110153", server: "110152",
		entry: access("message", "allowed", map[string]any{"protocol": "hl7", "operation": "ADT^A01", "answer": "AA"}),
	},
	{
		name: "HL7 order, not taken", from: gateway, event: "110109", kind: "ORM", verb: "U", outcome: "4", client: "110153", server: "110152",
		entry: access("message", "allowed", map[string]any{"protocol": "hl7", "operation": "ORM^O01", "answer": "AE"}),
	},
	{
		name: "HL7 result", from: gateway, event: "110107", kind: "ORU", verb: "C", outcome: "0", client: "110153", server: "110152",
		entry: access("message", "allowed", map[string]any{"protocol": "hl7", "operation": "ORU^R01", "answer": "AA"}),
	},
	{
		name: "HL7 denied", from: gateway, event: "110113", kind: "AuthZ-Role", verb: "E", outcome: "4", client: "110150", server: "authserver",
		entry: access("message", "refused", map[string]any{"protocol": "hl7", "operation": "ORM^O01", "reason": "no rule allows it", "answer": "AR"}),
	},
	{
		name: "DICOM store", from: gateway, event: "110104", kind: "access.message", verb: "R", outcome: "0", client: "110153", server: "110152",
		entry: access("message", "allowed", map[string]any{"protocol": "dicom", "operation": "C-STORE", "resource": "1.2.840.10008.5.1.4.1.1.2", "called": "ARCHIVE", "calling": "CT1"}),
	},
	{
		name: "DICOM store failed", from: gateway, event: "110104", kind: "access.message", verb: "R", outcome: "4", client: "110153", server: "110152",
		entry: access("message", "allowed", map[string]any{"protocol": "dicom", "operation": "C-STORE", "resource": "1.2.840.10008.5.1.4.1.1.2", "status": json.Number("42752")}),
	},
	{
		name: "DICOM find", from: gateway, event: "110112", kind: "access.message", verb: "E", outcome: "0", client: "110153", server: "110152",
		entry: access("message", "allowed", map[string]any{"protocol": "dicom", "operation": "C-FIND", "resource": "1.2.840.10008.5.1.4.1.2.2.1", "status": json.Number("65280")}),
	},
	{
		name: "DICOM move", from: gateway, event: "110102", kind: "access.message", verb: "E", outcome: "0", client: "110153", server: "110152",
		entry: access("message", "allowed", map[string]any{"protocol": "dicom", "operation": "C-MOVE", "resource": "1.2.840.10008.5.1.4.1.2.2.2 to WORKSTATION"}),
	},
	{
		name: "association", from: gateway, event: "110114", kind: "110122", verb: "E", outcome: "0", client: "110153", server: "110152",
		entry: access("association", "allowed", map[string]any{"protocol": "dicom", "operation": "open", "called": "ARCHIVE", "calling": "CT1"}),
	},
	{
		name: "connection", from: gateway, event: "110114", kind: "110122", verb: "E", outcome: "0", client: "110153", server: "110152",
		entry: access("connection", "allowed", map[string]any{"protocol": "tcp", "operation": "open", "end": ""}),
	},
	{
		name: "idle", from: gateway, event: "110114", kind: "110123", verb: "E", outcome: "0", client: "110153", server: "110152",
		entry: access("connection", "cut", map[string]any{"protocol": "tcp", "operation": "close", "reason": "idle"}),
	},
	{
		name: "cut off", from: gateway, event: "110114", kind: "110123", verb: "E", outcome: "4", client: "110153", server: "110152",
		entry: access("connection", "cut", map[string]any{"protocol": "tcp", "operation": "close", "reason": "revoked"}),
	},
	{
		name: "node authentication failed", from: gateway, event: "110113", kind: "110126", verb: "E", outcome: "4", client: "110153", server: "110152",
		entry: access("connection", "refused", map[string]any{"protocol": "fhir", "operation": "handshake", "reason": "tls: client certificate revoked (keyCompromise)", "link": "", "number": ""}),
	},
	{
		name: "journal opened", from: gateway, event: "110113", kind: "110134", verb: "E", outcome: "0", server: "110150",
		entry: entry(audit.Event{Action: "journal.open", Actor: "self", Subject: "self", Outcome: "ok"}),
	},
}
