package adminapi

import "time"

// An Intermediate is one that issues certificates, did, or will.
type Intermediate struct {
	Issuer
	// State is "issues", "next" (it is made known, and issues soon), "answers" (it
	// issues no more, and signs its CRL and OCSP answers), "rests" (nothing of its is
	// in time), or "revoked" (the root revoked it).
	State string `json:"state"`
	// Certificates is how many of its are neither expired nor revoked, Revoked how many
	// are in time and revoked.
	Certificates int64 `json:"live_certificates"`
	Revoked      int64 `json:"revoked_certificates"`
	// LastNotAfter is when the last of its certificates ends; absent if none is in time.
	LastNotAfter time.Time `json:"last_not_after,omitzero"`
}

// A Rotation is the change from one intermediate to the next.
type Rotation struct {
	// State is "known" (the next one does not issue yet), "moving", "done", "stopped",
	// "held" (stopped before it issued) or "back" (the earlier one issues again).
	State string `json:"state"`
	From  string `json:"from"` // key id, hex
	To    string `json:"to"`   // key id, hex
	// Begins is when To issues. Since is when the first machine is asked to renew, and
	// Seconds over how long the fleet is, 0 if nobody is asked.
	Begins  time.Time `json:"begins"`
	Since   time.Time `json:"since"`
	Seconds int64     `json:"pace_seconds"`
	// Done is how many live certificates are of To, Total how many there are: without
	// those that were renewed, and the daemon's own.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Ends is when the last live certificate of another issuer ends, at the latest.
	Ends time.Time `json:"ends,omitzero"`
}
