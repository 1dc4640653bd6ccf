// Package api is the native enrolment protocol as Go types: the join token's
// text, the JSON of POST /v1/enroll and /v1/renew, and the problem document that
// answers what went wrong. It stands on the standard library alone and decides
// nothing: the daemon judges in package enroll, the machine in enroll/client.
//
//	POST /v1/enroll    Authorization: Bearer bt1...    CSR in, certificate out, 201
//	POST /v1/enroll?ask=true&role=ROLE                 CSR in, [Pending] out, 202, until a
//	                                                   person has approved; then as above
//	POST /v1/renew     over mutual TLS                 CSR in, certificate out, 201
//	POST /v1/attest/begin, /finish, /nonce             a TPM's endorsement key in, a
//	                                                   certificate for its attestation key out
//	POST /v1/confirm   over mutual TLS                 "the new one is in use", 204, no body
//	GET  /v1/checkpoint?since=SIZE                     [Checkpoint]
//
// A CSR travels raw (PEM or DER) or in an [EnrollRequest], which has ask and role as
// members; the answer is a PEM chain or an [EnrollResponse]. Every error is a [Problem].
package api
