// Package ocsp is the codec of the Online Certificate Status Protocol: it reads
// requests and signs answers for a responder, and makes requests and judges
// answers for a relying party. It knows no HTTP, no store and no cache, and does
// not decide what the status of a certificate is.
//
// It follows RFC 6960 with the nonce of RFC 9654 and the profile of RFC 9919.
// Everything is DER in its one canonical form: what is not is refused with a
// [*MalformedError], also where a looser reader could guess what was meant.
//
// # Responder
//
// [ParseRequest] reads what a stranger sent, [Issuer.Issued] says whether a
// [CertID] in it names one of our certificates, and [Responder.Sign] answers. Who
// cannot be answered gets the five bytes of an [ErrorStatus], which are not signed.
//
// # Relying party
//
// [Issuer.NewRequest] asks, and [Issuer.Verify] is the only way to an answer: it
// returns none that the issuer, or a responder to which the issuer itself handed
// this task, did not sign for the certificate that was asked about, with the nonce
// that was sent, and for now.
//
// # Concurrency
//
// Every type here is safe for concurrent use once made, as far as the signer given
// to [NewResponder] is. What a parser returns shares the bytes that it was given.
package ocsp
