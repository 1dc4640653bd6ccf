package key

import (
	"context"
	"crypto"
	"errors"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

var errWindows = errors.New("TPMs are not supported on Windows")

// A TPM is nothing on Windows.
type TPM struct{}

// Open returns an error.
func Open(_, _ string) (*TPM, error) { return nil, errWindows }

// Public returns an error.
func Public([]byte) (crypto.PublicKey, error) { return nil, errWindows }

func (*TPM) String() string                                 { return "" }
func (*TPM) Make(string) (crypto.Signer, []byte, error)     { return nil, nil, errWindows }
func (*TPM) Open([]byte) (crypto.Signer, error)             { return nil, errWindows }
func (*TPM) Endorsements(context.Context) ([]string, error) { return nil, errWindows }

// Attest returns an error.
func (*TPM) Attest(context.Context, *client.Client, *api.JoinToken, crypto.Signer, []byte) (*api.Attestation, error) {
	return nil, errWindows
}
