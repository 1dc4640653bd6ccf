// Package attest serves machines with a TPM 2.0: the three pages below /v1/attest/, by
// which the CA comes to know an attestation key as that of one TPM (TPM 2.0 Library,
// Part 1, Section 24).
//
//	begin    endorsement key, attestation key    a secret that only that TPM can find
//	finish   the secret                          the attestation key's certificate
//	nonce    that certificate's serial number    a nonce for the next attestation
//
// Whose a TPM is, the inventory says, by the hash of its endorsement key; or a join token
// that is bound to an identity, where the maker's certificate leads to one of the role's
// tpm_roots. A maker alone vouches for a TPM, and not for whose it is: any TPM of the
// maker's could say so. Where it was a token that said so, the same token has to be shown,
// and is spent, when the machine enrols: the attestation key's certificate outlives it.
//
// An identity that enrolled by its TPM is bound to it, and no other identity can be, until
// this one is retired; its attestation keys are certified without a token. Every certificate
// that follows on another from then on, over /v1/renew, EST or ACME, is for a key that this TPM has
// attested for this very request; a request for another key is refused, and recorded. A
// certificate and its key, copied from the machine, renew nothing elsewhere. Enrolling
// anew, by whatever the role takes from a machine that comes anew, lifts the binding or
// makes another: that is how a machine comes back with a new mainboard.
//
// The certificate of an attestation key lasts 90 days, or as long as its role's
// certificates if that is longer. It is looked up each time, falls with its identity,
// authenticates nobody, and its key can never be certified for anything else.
//
// Where FIPS 140-3 is enforced no attestation key is certified: see notApproved. Machines
// that have one go on.
//
// It reads what TPMs and their makers write: public areas, the certificates of
// endorsement keys. Whose a TPM is, and everything that is signed, is package enroll's;
// what a TPM says of other keys with its attestation key, package enroll/acme/attest
// verifies.
package attest
