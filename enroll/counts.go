package enroll

import (
	"errors"
	"maps"
	"sync"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// A Reason is why somebody got nothing, in a word: the audit log has the whole of it.
// There are these and no others.
type Reason string

const (
	ReasonPolicy      Reason = "policy"      // no role allows it, or the identity is not active
	ReasonRequest     Reason = "request"     // the CSR or the order asks for what cannot be
	ReasonToken       Reason = "token"       // not a token of ours, or one that is not good any more
	ReasonReused      Reason = "reused"      // a spent token came back with another key: an alarm
	ReasonCertificate Reason = "certificate" // none was presented, not one of ours, or one that is void
	ReasonSpent       Reason = "spent"       // the proof was used up, by somebody else or long ago
	ReasonForked      Reason = "forked"      // two holders of one certificate: an alarm
	ReasonKey         Reason = "key"         // the public key is another's, or not a new one
	ReasonName        Reason = "name"        // the name is reserved to another identity
	ReasonStale       Reason = "stale"       // it was overtaken: suspended, revoked, another policy
	ReasonAttestation Reason = "attestation" // what a TPM is said to have said
	ReasonDenied      Reason = "denied"      // a person denied the request
	ReasonProofs      Reason = "proofs"      // two proofs of different identities, which is an alarm, or too few from a stranger

	ReasonNetworkQueue Reason = "network_queue" // too many of its network wait for approval
	ReasonRoleQueue    Reason = "role_queue"    // too many wait for approval in the role
)

// Counts say what the registrar has done since it was made.
type Counts struct {
	Issued  map[ca.Method]int64 // certificates, by the proof that they were issued on
	Refused map[Reason]int64    // refusals, also those that the log only counts
	Alarms  map[string]int64    // what looks like a thief, by the action that the log has it under
}

// alarms are the actions of this package that are alarms.
var alarms = [...]string{"token.reuse", "birth.reuse", "certificate.fork", "certificate.late", "identity.suspect"}

// Counts returns what was done. Every method and reason is there, also those that
// never were.
func (r *Registrar) Counts() Counts {
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	return Counts{Issued: maps.Clone(r.tally.issued), Refused: maps.Clone(r.tally.refused), Alarms: maps.Clone(r.tally.alarms)}
}

// A tally is what Counts reads.
type tally struct {
	mu      sync.Mutex
	issued  map[ca.Method]int64
	refused map[Reason]int64
	alarms  map[string]int64
}

func newTally() *tally {
	t := &tally{issued: map[ca.Method]int64{}, refused: map[Reason]int64{}, alarms: map[string]int64{}}
	for _, action := range alarms {
		t.alarms[action] = 0
	}
	for _, m := range []ca.Method{ca.MethodToken, ca.MethodRenew, ca.MethodACME, ca.MethodBirth, ca.MethodTPM, ca.MethodApproval, ca.MethodSelf} {
		t.issued[m] = 0
	}
	for _, r := range []Reason{ReasonPolicy, ReasonRequest, ReasonToken, ReasonReused, ReasonCertificate,
		ReasonSpent, ReasonForked, ReasonKey, ReasonName, ReasonStale, ReasonAttestation, ReasonDenied,
		ReasonProofs, ReasonNetworkQueue, ReasonRoleQueue} {
		t.refused[r] = 0
	}
	return t
}

func (t *tally) issue(m ca.Method) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.issued[m]++
}

func (t *tally) refuse(r Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused[r]++
}

func (t *tally) alarm(action string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alarms[action]++
}

// reasonOf returns the reason of an error that is a refusal.
func reasonOf(err error) Reason {
	if _, ok := errors.AsType[*ca.RequestError](err); ok {
		return ReasonRequest
	}
	if _, ok := errors.AsType[*IdentifierError](err); ok {
		return ReasonRequest
	}
	if _, ok := errors.AsType[*ForkedError](err); ok {
		return ReasonForked
	}
	for _, one := range []struct {
		err    error
		reason Reason
	}{
		{store.ErrSpent, ReasonSpent}, {store.ErrExists, ReasonSpent}, {store.ErrForked, ReasonForked},
		{store.ErrKeyTaken, ReasonKey}, {store.ErrNameTaken, ReasonName}, {store.ErrStale, ReasonStale},
	} {
		if errors.Is(err, one.err) {
			return one.reason
		}
	}
	return ReasonPolicy // a *ca.DeniedError, or a *ProfileError
}
