// Package scep is the SCEP server (RFC 8894), for devices that speak nothing newer. It
// takes messages apart and puts answers together; who gets what is package enroll's to
// say.
//
// A message is signed by the client, and encrypted to the registration authority of its
// role: an RSA key that is good for nothing else. The challenge password is a join
// token, so it is good once; a renewal is signed with the current certificate. SHA-2 and
// AES are all that is spoken: what is encrypted with DES, or signed over SHA-1, is
// refused with badAlg. Keys are handed over by PKCS #1 v1.5, which is what clients know, or
// by RSAES-OAEP with SHA-256, and come back as they went. In FIPS 140-3 mode, which forbids
// the former, that is badAlg too; the protocol has no way to tell a client before.
//
// Whatever is wrong with what was encrypted is answered with one badMessageCheck, and a
// key that cannot be decrypted is a random one (RFC 5246, Section 7.4.7.1), so that
// nobody learns by asking what a stolen message holds. Where what is sealed decides
// nothing, GetCertInitial, it is not decrypted; GetCert and GetCRL compare it with the one
// name that the client may ask for, and answer all else with one badCertID.
package scep
