package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
)

// proofFlags are what a machine may show beside a token, and by what it knows its CA
// where there is none.
type proofFlags struct {
	birthCert, birthKey string
	ask                 bool
	tpm                 string
	root, rootSHA256    string
}

func (f *proofFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.birthCert, "birth-cert", "", "the `file` with the certificate that the machine's maker gave it, and its intermediates")
	cmd.Flags().StringVar(&f.birthKey, "birth-key", "", "the `file` with the key of that")
	cmd.Flags().StringVar(&f.tpm, "tpm", "", "the `device` or socket of the TPM that makes and keeps the keys, such as /dev/tpmrm0")
	cmd.Flags().BoolVar(&f.ask, "ask", false, "ask for a person's approval, and wait for it")
	cmd.Flags().StringVar(&f.root, "root", "", "the `file` with the CA's root certificate; needed without a token")
	cmd.Flags().StringVar(&f.rootSHA256, "root-sha256", "", "in its place the SHA-256 of that certificate, in `hex`")
}

// any reports whether something else than a token is shown.
func (f *proofFlags) any() bool { return f.ask || f.birthCert != "" || f.tpm != "" }

// proof is what the flags and token, nil for none, come to.
func (f *proofFlags) proof(token *api.JoinToken) (agent.Proof, error) {
	p := agent.Proof{Token: token, Ask: f.ask}
	if (f.birthCert == "") != (f.birthKey == "") {
		return p, usagef("--birth-cert and --birth-key go together")
	}
	if f.root != "" && f.rootSHA256 != "" {
		return p, usagef("--root and --root-sha256 say the same: give one")
	}
	if token == nil && f.root == "" && f.rootSHA256 == "" {
		return p, usagef("without a token, --root FILE or --root-sha256 HEX says which CA to trust: its operators have it")
	}
	if f.birthCert != "" {
		birth, err := tls.LoadX509KeyPair(f.birthCert, f.birthKey)
		if err != nil {
			return p, fmt.Errorf("the birth certificate: %w", err)
		}
		p.Birth = &birth
	}
	var err error
	p.Root, err = f.pin()
	return p, err
}

// pin returns the root's fingerprint; zero if none is given.
func (f *proofFlags) pin() (sum [sha256.Size]byte, err error) {
	if f.rootSHA256 != "" {
		text := strings.NewReplacer(":", "", " ", "").Replace(f.rootSHA256)
		if n, err := hex.Decode(sum[:], []byte(text[:min(len(text), 2*len(sum))])); err != nil || n != len(sum) || len(text) != 2*len(sum) {
			return sum, usagef("--root-sha256: want the 64 hexadecimal digits of a SHA-256")
		}
		return sum, nil
	}
	if f.root == "" {
		return sum, nil
	}
	text, err := os.ReadFile(f.root)
	if err != nil {
		return sum, err
	}
	certs, err := certificates(text)
	if err != nil {
		return sum, fmt.Errorf("%s: %w", f.root, err)
	}
	if len(certs) != 1 {
		return sum, usagef("%s holds %d certificates: name the root alone", f.root, len(certs))
	}
	return sha256.Sum256(certs[0].Raw), nil
}

// agentProof is proof with the token in a file, if there is one.
func (f *proofFlags) agentProof(tokenFile string) (agent.Proof, error) {
	if tokenFile == "" {
		return f.proof(nil)
	}
	r, err := os.Open(tokenFile)
	if err != nil {
		return agent.Proof{}, err
	}
	defer r.Close()
	token, err := agent.ReadToken(r)
	if err != nil {
		return agent.Proof{}, fmt.Errorf("%s: %w", tokenFile, err)
	}
	return f.proof(&token)
}
