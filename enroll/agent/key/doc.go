// Package key keeps a machine's private keys in its TPM 2.0: it makes them there, signs
// with them, and has the TPM attest them to the CA. A [TPM] is what package agent takes
// as its Keys. It knows nothing of certificates but that of the TPM's own attestation
// key, and decides nothing.
//
// A key is on disk as the TPM has wrapped it, a "TSS2 PRIVATE KEY" in PEM: whoever copies
// it has nothing without this very chip. Other software reads the same form, such as the
// TPM providers of OpenSSL. A restart of the machine, and of the TPM, changes nothing;
// clearing the TPM ends every key in it.
//
// It is a package apart, since it links the TPM's libraries: programs without a TPM do
// not.
package key
