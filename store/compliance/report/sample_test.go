package report_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
	"github.com/betonica/betonica/store/compliance/report"
)

const day = 24 * time.Hour

var now = time.Date(2026, 11, 22, 14, 30, 0, 0, time.UTC)

// hospital is what a survey of a hospital might find: mostly in order, and not all of it.
func hospital() *compliance.Facts {
	f := &compliance.Facts{
		At: now, Since: now.Add(-30 * day), TrustDomain: "hospital.example", Daily: now.Add(-5 * time.Hour),
		System: compliance.System{
			Known: true, Version: "1.4.0", Ops: "127.0.0.1:9090",
			Listeners: []compliance.Listener{
				{Name: "https", Address: "10.20.0.4:8443", Refuses: true, Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", Group: "X25519MLKEM768"},
				{Name: "est", Address: "10.20.0.4:8444", Refuses: true, Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", Group: "X25519MLKEM768"},
			},
			Passphrase: compliance.Place{}, Evidence: compliance.Place{File: "/var/lib/betonica/evidence.log", Beside: "on the same disk"},
			Backup: compliance.Backup{At: now.Add(-9 * time.Hour), File: "/backup/betonica-2026-11-22.age", Encrypted: true}, BackupWithin: 26 * time.Hour,
			KeepsLog: 6 * 366 * day, KeepsRecords: 6 * 366 * day,
			Sinks: []compliance.Sink{{Name: "syslog", Lag: 2 * time.Second}, {Name: "fhir", Lag: 3 * time.Hour, Why: "503 Service Unavailable"}},
		},
		Policy: compliance.Policy{
			Version: 17, Digest: "5feceb66ffc8", Loaded: now.Add(-12 * day), Actor: "admin/anna.berg", Recorded: true, Logged: true, Kept: 17, Newest: 17,
			Roles: []compliance.Role{
				{Name: "infusion-pump", Lifetime: day, Proofs: 2, Dormant: 30 * day, Attest: 365 * day, Active: 812},
				{Name: "modality", Lifetime: 7 * day, Proofs: 2, Dormant: 60 * day, Attest: 365 * day, Active: 74},
				{Name: "lab-analyser", Lifetime: 30 * day, Proofs: 1, Attest: 365 * day, Active: 46},
				{Name: "gateway", Lifetime: day, Proofs: 2, Dormant: 30 * day, Active: 9},
				{Name: "officer", Privileged: true, Lifetime: day, Proofs: 1, Active: 3},
			},
			Rules: []compliance.Rule{
				{Name: "pumps-report", Peers: []string{"infusion-pump"}, Uses: 648_112},
				{Name: "modalities-store", Peers: []string{"modality/ct-*", "modality/mr-*"}, Uses: 91_204},
				{Name: "lab-results", Peers: []string{"lab-analyser"}, Uses: 22_871},
				{Name: "ehr-reads", Peers: []string{"ehr/reader"}, Uses: 188_430},
				{Name: "old-archive", Peers: []string{"modality/xr-4"}, Wide: []string{"every SOP class is allowed"}},
			},
		},
		Identities: compliance.Identities{
			States:     map[string]int64{"active": 952, "pending": 12, "suspended": 7, "revoked": 21, "retired": 118},
			Privileged: []compliance.Person{{Path: "officer/anna.berg", Owner: "security"}, {Path: "officer/ben.osei", Owner: "clinical engineering"}, {Path: "admin/carla.nunes", Owner: "security"}}, Owners: 2,
		},
		Certificates: compliance.Certificates{
			Live: 1204, Revoked: 31, Keys: map[string]int64{"P-256": 1101, "RSA-3072": 74, "Ed25519": 29},
			Ages:  compliance.Histogram{61, 402, 648, 74, 19},
			Lives: compliance.Histogram{0, 12, 1068, 78, 46},
			Left:  compliance.Histogram{40, 318, 690, 101, 55},
		},
		Access: compliance.Traffic{
			Records: 968_040, First: now.Add(-30*day + time.Hour), Last: now.Add(-time.Minute),
			Outcomes:  map[string]int64{"allowed": 965_212, "refused": 2211, "cut": 402, "failed": 215},
			Refusals:  map[string]int64{"no rule": 1903, "no certificate": 308},
			Logoffs:   map[string]int64{"idle": 291, "certificate expired": 88, "connection too old": 19, "revoked": 4},
			Protocols: map[string]int64{"fhir": 836_000, "dicom": 92_000, "hl7": 40_040},
			Sessions:  41_300, Matched: 412_044, Voids: 31, Journals: 9,
			Edges: []compliance.Edge{
				{Role: "infusion-pump", Machines: 812, Guard: "gateway/fhir-01", Route: "fhir", Protocol: "fhir", Allowed: 648_112, Refused: 41},
				{Role: "ehr", Machines: 3, Guard: "gateway/fhir-01", Route: "fhir", Protocol: "fhir", Allowed: 188_430, Refused: 12},
				{Role: "modality", Machines: 71, Guard: "gateway/pacs-01", Route: "archive", Protocol: "dicom", Allowed: 91_204, Refused: 640},
				{Role: "lab-analyser", Machines: 46, Guard: "gateway/lab-01", Route: "results", Protocol: "hl7", Allowed: 22_871, Refused: 1},
				{Role: "ehr", Machines: 3, Guard: "gateway/lab-01", Route: "orders", Protocol: "hl7", Allowed: 14_595, Refused: 0},
				{Role: "modality", Machines: 12, Guard: "gateway/fhir-01", Route: "fhir", Protocol: "fhir", Refused: 1209},
				{Role: "strangers", Guard: "gateway/pacs-01", Route: "archive", Protocol: "dicom", Refused: 308},
			},
		},
		Log: compliance.Log{
			Origin: "hospital.example/log", Key: "hospital.example/log+8d1f3a20+AbCdEf0123456789AbCdEf0123456789AbCdEf012345", Entries: 184_467, Signed: 184_455, SignedAt: now.Add(-43 * time.Second),
			Actions: map[string]int64{"certificate.issue": 38_000, "certificate.refuse": 57, "admin.refuse": 3}, Sampled: 64,
			Verified: &compliance.Verification{At: now.Add(-5 * time.Hour), Entries: 184_102},
		},
		Enforcement: compliance.Enforcement{Lists: 2, Number: 418, Parties: 41},
		Emergency: compliance.Emergency{Taken: 2, Waiting: 1, Reviewed: []compliance.PowerReview{
			{Person: "officer/ben.osei", By: "auditor/ines.roth", At: now.Add(-40 * day), Word: "Ward 3 was dark: two pumps re-enrolled, IT-298."},
		}},
		Reviews: compliance.Reviews{N: 2, Waits: now.Add(-6 * day), Done: []compliance.LogReview{
			{Since: now.Add(-13 * day), Until: now.Add(-6 * day), First: 140_112, Last: 183_777, By: "auditor/ines.roth", At: now.Add(-6 * day), Word: "Two alerts looked into, with clinical engineering: SEC-318, SEC-321.", Own: 1, Acts: 14},
			{Since: now.Add(-20 * day), Until: now.Add(-13 * day), First: 97_001, Last: 140_111, By: "auditor/ines.roth", At: now.Add(-12 * day), Word: "As usual."},
		}},
		Alerts: compliance.Alerts{Evaluated: now.Add(-40 * time.Second), Opened: 2, Critical: 1, Newest: []compliance.Alert{
			{ID: 7, Rule: "B01", Severity: "medium", Subject: "infusion-pump/p-114", Facts: "it was used from 203.0.113.0/24 at 2026-11-21T02:10:00Z, for the first time", Opened: now.Add(-34 * time.Hour)},
			{
				ID: 6, Rule: "A02", Severity: "critical", Subject: "modality/xr-4", Facts: "it was renewed with another key, from 10.4.7.19 at 2026-11-14T09:31:00Z", Opened: now.Add(-8 * day),
				Acknowledged: now.Add(-8*day + time.Hour), By: "officer/ben.osei", Word: "Set back to a snapshot by the vendor; enrolled anew.", Resolved: now.Add(-7 * day),
			},
		}},
		Attested: map[string]compliance.Attestation{
			"308-07": {Word: "Restored the backup of 3 November on ca-test; it served in 22 minutes. Minutes in IT-311.", By: "officer/ben.osei", At: now.Add(-17 * day), Expires: now.Add(348 * day), Entry: 181_020},
		},
		Last: &compliance.Summary{At: now.Add(-day), States: map[string]compliance.State{}},
	}
	f.Identities.Ownerless.Add("lab-analyser/cobas-7", "made 2026-03-02")
	f.Identities.Ownerless.Add("lab-analyser/cobas-9", "made 2026-03-02")
	f.Identities.Unattested.Add("modality/xr-4", "last 2025-10-30, by radiology")
	f.Access.Silent.Add("gateway/ward-7", "last heard of 2026-11-20T03:12:44Z")
	for _, c := range compliance.Checks().Checks {
		f.Last.States[c.ID] = compliance.Pass
	}
	for id, state := range map[string]compliance.State{
		"308-07": compliance.Attested, "308-09": compliance.NotTested, "312e-03": compliance.NotApplicable, "316-03": compliance.NotApplicable,
		"312b-03": compliance.Fail, "308-01": compliance.Fail, "308-03": compliance.Fail, "308-04": compliance.Fail, "312a-02": compliance.Fail, "312c-01": compliance.NotTested,
	} {
		f.Last.States[id] = state
	}
	return f
}

// input judges facts, with a sample of the log.
func input(t testing.TB, f *compliance.Facts, profile string) report.Input {
	p, err := compliance.Checks().Profile(profile)
	require.NoError(t, err)
	evidence := &pack.ProofFile{Key: f.Log.Key, Checkpoint: "hospital.example/log\n184455\nAAAA\n"}
	for i := range 64 {
		evidence.Entries = append(evidence.Entries, pack.Proof{Entry: int64(1 + 2880*i), Action: "certificate.issue", Leaf: []byte(fmt.Sprint(i))})
	}
	return report.Input{Run: compliance.Judge(compliance.Checks(), p, f), Facts: f, Evidence: evidence}
}
