// Package attest serves machines with a TPM 2.0: the three pages below /v1/attest/, by
// which the CA comes to know an attestation key as that of one TPM (TPM 2.0 Library,
// Part 1, Section 24).
//
//	begin    endorsement key, attestation key    a secret that only that TPM can find
//	finish   the secret                          the attestation key's certificate
//	nonce    that certificate's serial number    a nonce for the next attestation
//
// It reads what TPMs and their makers write: public areas, the certificates of
// endorsement keys. Whose a TPM is, and everything that is signed, is package enroll's;
// what a TPM says of other keys with its attestation key, package enroll/acme/attest
// verifies.
package attest
