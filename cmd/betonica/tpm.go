package main

import (
	"context"
	"crypto"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/agent/key"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

func tpmCommand(env environment) *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:   "tpm DEVICE",
		Short: "Print what an inventory knows a machine's TPM by",
		Long: `Print the SHA-256 of the endorsement key of a TPM 2.0, which it has had since it was
made and which no other TPM has: what stands in the column ek_sha256 of a list of devices
(betonica identity import). Of a TPM that has two, RSA-2048 and P-256, either may stand
there. DEVICE is a character device, or a Unix socket. Nothing is kept.`,
		Example: `  betonica tpm /dev/tpmrm0`,
		Args:    oneArg("DEVICE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := key.Open(args[0], "")
			if err != nil {
				return err
			}
			all, err := t.Endorsements(cmd.Context())
			if err != nil {
				return err
			}
			e := endorsements{EK: all[0], Also: all[1:]}
			return writeOne(env, *form, e, []field{{"ek", e.EK}, {"or", strings.Join(e.Also, ", ")}})
		},
	}
	form = outputFlag(cmd)
	return cmd
}

// endorsements are the SHA-256 of a TPM's endorsement keys.
type endorsements struct {
	EK   string   `json:"ek"`
	Also []string `json:"also,omitempty"`
}

// useTPM has the machine's keys be in the TPM behind device; "": in the one where the
// directory's keys are, if they are in one. token says whose the TPM is, if the CA does
// not know; nil: none.
func useTPM(conf *agent.Config, device string, token *api.JoinToken) error {
	if device == "" {
		where, ok := strings.CutPrefix(agent.KeysOf(conf.Dir), "tpm:")
		if !ok {
			return nil
		}
		device = where
	}
	t, err := key.Open(device, filepath.Join(conf.Dir, "tpm"))
	if err != nil {
		return err
	}
	conf.Keys = t
	conf.Attest = func(ctx context.Context, ca *client.Client, own crypto.Signer, csr []byte) (*api.Attestation, error) {
		return t.Attest(ctx, ca, token, own, csr)
	}
	return nil
}

// judgeTPMKey says why a key in a TPM is not the certificate's; empty if it is. The TPM
// need not be there.
func judgeTPMKey(cert, text []byte, keyFile string) (string, error) {
	chain, err := certificates(cert)
	if err != nil || len(chain) == 0 {
		return "", err
	}
	public, err := key.Public(text)
	if err != nil {
		return fmt.Sprintf("with %s: %v", keyFile, err), nil
	}
	if own, ok := public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !own.Equal(chain[0].PublicKey) {
		return fmt.Sprintf("with %s: the key is not the certificate's", keyFile), nil
	}
	return "", nil
}

// ownKeys is useTPM for a directory that has been enrolled.
func ownKeys(conf *agent.Config) error { return useTPM(conf, "", nil) }

// useTPM is useTPM with the token, if any, that the agent enrols with.
func (f *proofFlags) useTPM(conf *agent.Config) error {
	var token *api.JoinToken
	if f.tpm != "" && conf.TokenFile != "" && agent.KeysOf(conf.Dir) == "" {
		proof, err := f.agentProof(conf.TokenFile)
		if err != nil {
			return err
		}
		token = proof.Token
	}
	return useTPM(conf, f.tpm, token)
}
