// Package agent keeps one machine's certificate fresh, in a directory and in
// memory: it enrols once with what the machine has to show, renews over mutual TLS for
// ever after, and holds the CA to what its log said before.
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
// and [Enroll], [EnrollWith] and [Renew] are the single steps, for programs that run from a
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
//	state.json                 where the agent stands, and what time it knows has come
//
// What else is there is not touched: betonica agent keeps chain.crl.pem beside these.
//
// A crash, kill -9 or loss of power at any moment leaves a usable directory:
// files are complete and on disk before the name that makes them count is, and
// the next step finishes what was begun. Key and CSR are on disk before they are
// sent, so that a repeated request is the same request; the CA answers it with
// the same certificate, and takes a different one for a thief's.
//
// # What may go wrong
//
// A [State] says where the directory stands; state.go has them all on one screen.
//
// A new certificate counts once Exec and Health have succeeded with it. If they fail, the
// one of before is put back in place, the CA is not told that the new one is in use, and
// that is tried again: not renewed again, which would look like a thief.
//
// The system's clock is not believed where it is before the time that is known to have
// come (when the program was made, when the certificate began, what the CA said last),
// nor when it jumps, before the CA has said so. The first contact then ignores the clock,
// and nothing else. The clock itself is not set.
//
// While the CA is away it is asked less and less often, and more often towards the
// certificate's end. One that ran out is renewed late, where its role admits that. A CA
// that says no is asked again after hours, a day at most: a person has to do something,
// and the events say what.
//
// # What it does not do
//
// It never enrols again by itself: a machine whose certificate ran out for good, or was
// revoked, needs a new token, and so a person. It knows no chip: package key does, and
// hands it [Keys]. It does not judge other machines' certificates.
//
// The package links the standard library and golang.org/x/mod/sumdb/{note,tlog},
// and runs on Linux, the BSDs, macOS and Windows. On Windows a file's mode says nothing:
// there the directory must be one that its owner alone may read, the account must be
// allowed to make symbolic links, and a crash may leave current missing until the next
// step makes it anew.
package agent
