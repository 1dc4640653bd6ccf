// Package enroll is the registration authority: it finds out who asks for a
// certificate, and how we know; it keeps identities, join tokens, ACME accounts, who
// waits for a person's approval, and the policy in force; and it is the one caller of
// [ca.Authority.Issue]. It speaks no protocol itself and keeps nothing but what package
// store keeps for it.
//
// Every protocol ends in [Registrar.Issue]:
//
//	Applicant{Identity, Proof} + Request
//	    Policy.Decide      what may be signed?          else *ca.DeniedError
//	    Authority.Issue    sign
//	    Store.Update       Proof.Settle: use up the proof
//	                       InsertCertificate: everything still as decided?
//	                       the audit event
//	    certificate        seen by nobody before it is on disk
//
// It is optimistic: whoever is authenticated is decided and signed for at once,
// and the transaction says whether the proof was still good. Only when it was
// not does anyone look whether this very request was answered before
// ([Proof.Unmet]). Of racers with one proof all sign, one commits, and the
// signatures of the others are dropped unseen.
//
// Who comes for the first time shows a [Claim] of one or more proofs to
// [Registrar.Admit], which makes an Applicant of it: all of the proofs are settled in
// one transaction, or none is.
//
// # Errors
//
// What comes back from this package, and from those that speak a protocol for
// it, is one of these, or an internal error that no stranger may read:
//
//	*api.BadRequestError    400, 413, 415   not understood
//	*ca.RequestError        400             the CSR is malformed, weak or contradicts itself
//	[ErrUnauthenticated]    401             no good token or certificate; never says why
//	*ca.DeniedError         403             policy, or the identity's state, says no
//	[*ConsentError]         403             it takes another person, and waits for one (admin calls)
//	[*ForkedError]          403             likewise: the certificate was renewed by another holder
//	[*IdentifierError]      ACME's own      the account cannot have an identifier; joined, if several
//	[*ProfileError]         ACME's own      the account has no such profile
//	store.ErrSpent          ACME's own      the order is not open any more
//	store.ErrNotFound       404             no such identity, token or certificate
//	[*AttestationError]     403             not what a TPM says that is on record
//	[ErrReused]             409             a spent token with another key
//	[*ConflictError]        409             not in this state (admin calls)
//	store.ErrKeyTaken       409             the public key was used before
//	store.ErrNameTaken      409             a name belongs to another identity
//	store.ErrExists         409             the identity, or the account, was made meanwhile
//	store.ErrForked         409             the certificate is being renewed by others right now
//	store.ErrStale          409             decided on a state that has changed: ask again
//	[*RateLimitError]       429             too many bad tokens; has a RetryAfter
//	[*QueueError]           429             too many wait for a person's approval; likewise
//	[*turns.BusyError]      503             too many renew at once; likewise, and not recorded
//	[*PendingError]         202             no refusal: it waits for a person's approval
//	store.ErrDiskFull       503             and store.ErrUnknown, ca.ErrExpired: ask again later
//
// All others than the first and the last are recorded in the audit log: those of
// authenticated callers before the answer, those of strangers, and of whoever is refused
// more than once a second for a minute, through a bounded queue.
package enroll
