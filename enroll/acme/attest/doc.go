// Package attest verifies device attestations: the statements of the ACME
// challenge device-attest-01 (draft-ietf-acme-device-attest) in the "tpm" format
// of WebAuthn, in which a TPM 2.0 certifies, with an attestation key that a
// trusted CA has certified for the device, that a key was made inside it and
// cannot leave it. [Verify] is all there is, and [VerifyStatement] for the native API's
// form of the same. It neither remembers nor decides
// anything: that the certificate's key is the attested one, and what the device
// may have, is its caller's business, as is the revocation of an attestation
// key's certificate, of which it knows nothing.
package attest
