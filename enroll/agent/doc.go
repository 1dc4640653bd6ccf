// Package agent keeps one machine's certificate fresh, in a directory and in
// memory: it enrols once with a join token, renews over mutual TLS for ever
// after, and holds the CA to what its log said before.
//
// For a Go program it is a few lines:
//
//	a, err := agent.Start(ctx, agent.Config{Dir: "/var/lib/pump", URL: "https://ca.hospital.example:8443", TokenFile: "/boot/token"})
//	if err != nil {
//		return err
//	}
//	defer a.Wait()
//	srv := &http.Server{TLSConfig: &tls.Config{GetCertificate: a.GetCertificate, ClientCAs: a.Roots(), ClientAuth: tls.RequireAndVerifyClientCert}}
//
// and [Enroll] and [Renew] are the single steps, for programs that run from a
// timer. Several processes may share a directory: each step takes its lock.
//
// # The directory
//
//	current -> gen-000123      the one switch: every file below changes at once
//	gen-000123/cert.pem        the certificate and its intermediates, leaf first
//	gen-000123/key.pem         its private key (PKCS#8), mode 0600
//	gen-000123/chain.pem       the intermediates alone
//	gen-000123/roots.pem       the pinned roots
//	gen-000123/agent.json      what was asked for, where, and what is left to do
//	gen-000122/                the generation before; older ones are removed
//	next/                      a request on its way: its key and CSR
//	log/                       the newest checkpoint of the CA's log, its key, and evidence
//
// What else is there is not touched: betonica agent keeps chain.crl.pem beside these.
//
// A crash, kill -9 or loss of power at any moment leaves a usable directory:
// files are complete and on disk before the name that makes them count is, and
// the next step finishes what was begun. Key and CSR are on disk before they are
// sent, so that a repeated request is the same request; the CA answers it with
// the same certificate, and takes a different one for a thief's.
//
// # What it does not do
//
// It never enrols again by itself: a machine whose certificate ran out, or was
// revoked, needs a new token, and so a person. It keeps no key in hardware, and
// it does not judge other machines' certificates.
//
// The package links the standard library and golang.org/x/mod/sumdb/{note,tlog},
// and runs on Linux, the BSDs, macOS and Windows. On Windows a file's mode says nothing:
// there the directory must be one that its owner alone may read, the account must be
// allowed to make symbolic links, and a crash may leave current missing until the next
// step makes it anew.
package agent
