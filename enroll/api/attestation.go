package api

import (
	"crypto/sha256"
	"encoding/base64"
)

// Paths of the pages for machines with a TPM 2.0.
const (
	PathAttestBegin  = "/v1/attest/begin"
	PathAttestFinish = "/v1/attest/finish"
	PathAttestNonce  = "/v1/attest/nonce"
)

// An AttestBegin shows a TPM's endorsement key, and an attestation key that is said to
// be in the same TPM: the body of POST /v1/attest/begin. A join token in the
// Authorization header says which machine it is of, if the inventory does not; it is
// not spent. All members are DER or the TPM's own structures, in base64.
type AttestBegin struct {
	// EKCertificate is the endorsement key's certificate, by the TPM's maker, and what is
	// between it and the maker's root; empty: the inventory has the key's hash.
	EKCertificate [][]byte `json:"ek_cert,omitempty"`
	// EKPublic is the TPMT_PUBLIC of the endorsement key. Without it the key is the one
	// of the certificate, made by the TCG's template for it.
	EKPublic []byte `json:"ek_pub,omitempty"`
	// AKPublic is the TPMT_PUBLIC of the attestation key.
	AKPublic []byte `json:"ak_pub"`
}

// An AttestChallenge is what only that TPM can answer (TPM 2.0 Library, Part 1, Section
// 24): it answers POST /v1/attest/begin, and is good for two minutes, once.
type AttestChallenge struct {
	ID string `json:"id"`
	// Credential is the TPM2B_ID_OBJECT, and Secret the TPM2B_ENCRYPTED_SECRET, that
	// TPM2_ActivateCredential takes.
	Credential []byte `json:"credential_blob"`
	Secret     []byte `json:"secret"`
}

// An AttestFinish is what the TPM found in the challenge: the body of POST
// /v1/attest/finish.
type AttestFinish struct {
	ID     string `json:"id"`
	Secret []byte `json:"secret"`
}

// An AttestCertificate answers POST /v1/attest/finish.
type AttestCertificate struct {
	// Certificate is the attestation key's, in PEM, with its intermediate.
	Certificate string `json:"certificate"`
	// Nonce is for the first attestation: see [AttestNonce].
	Nonce string `json:"nonce"`
}

// An AttestNonce asks for a nonce, for an attestation by the key of the certificate with
// this serial number, in hexadecimal: the body of POST /v1/attest/nonce, and in the
// answer the nonce. If the certificate is good no more, the answer is a problem of type
// [ProblemAttestation], and it is time to begin again.
type AttestNonce struct {
	Serial string `json:"serial,omitempty"`
	Nonce  string `json:"nonce,omitempty"`
}

// An Attestation says, in the words of a TPM 2.0, that the key of a certificate request
// was made inside it and cannot leave it (WebAuthn, Section 8.3, without its CBOR).
type Attestation struct {
	// Nonce is the CA's, for this request alone.
	Nonce string `json:"nonce"`
	// X5C is the attestation key's certificate; more may follow. DER.
	X5C [][]byte `json:"x5c"`
	// Algorithm is that of the signature, as a COSE number: -257 is RSA with SHA-256, -7
	// ECDSA with SHA-256.
	Algorithm int64 `json:"alg"`
	// Signature is the attestation key's TPMT_SIGNATURE over CertInfo, a TPMS_ATTEST
	// made by TPM2_Certify with the qualifying data of [AttestationText].
	Signature []byte `json:"sig"`
	CertInfo  []byte `json:"certInfo"`
	// PubArea is the TPMT_PUBLIC of the key that it certifies: the request's.
	PubArea []byte `json:"pubArea"`
}

// AttestationText returns what an attestation for that nonce and certificate request, in
// DER, is bound to: the SHA-256 of the text is the qualifying data of TPM2_Certify.
func AttestationText(nonce string, csr []byte) string {
	sum := sha256.Sum256(csr)
	return "betonica-enroll." + nonce + "." + base64.RawURLEncoding.EncodeToString(sum[:])
}
