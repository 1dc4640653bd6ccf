// Package pack is evidence that people take with them: files, a manifest over them that
// the log's key signed, and entries of the log with the proof that they are in it. It
// makes them and checks them; whoever checks needs neither the CA nor a network, and for
// all but the proofs no program of ours.
//
//	SHA256SUMS        every file, as sha256sum writes it: sha256sum -c reads it
//	SHA256SUMS.sig    an Ed25519 signature of it, raw: openssl pkeyutl reads it
//	SHA256SUMS.note   the same, as a signed note (C2SP signed-note)
//	log-key.pem       the key, as openssl reads it. It is the pack's own word: compare it
//	proofs.json       sampled entries, sealed, each with its proof of inclusion (RFC 6962)
package pack
