//go:build !windows

package key

import (
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	legacy "github.com/google/go-tpm/legacy/tpm2"
	"go.step.sm/crypto/tpm/tss2"
)

// pemKey is the type of a wrapped key in PEM.
const pemKey = "TSS2 PRIVATE KEY"

// A TPM holds private keys, and one attestation key. Its methods may be called
// concurrently; the TPM takes one command at a time.
type TPM struct {
	name string
	dir  string // of what is kept beside the keys: the attestation key

	attesting sync.Mutex // of Attest, and of dir
	mu        sync.Mutex // of the TPM
	channel   io.ReadWriteCloser
}

// Open returns the TPM that is behind device: a character device, such as /dev/tpmrm0, or
// a Unix socket, such as swtpm's. In dir, which is made if it is not there, is what the
// TPM knows its attestation key by; it is no secret. Without a dir there can be no keys.
// Nothing is asked of the TPM yet.
func Open(device, dir string) (*TPM, error) {
	info, err := os.Stat(device)
	if err != nil {
		return nil, fmt.Errorf("the TPM: %w", err)
	}
	if info.Mode()&(os.ModeDevice|os.ModeSocket) == 0 {
		return nil, fmt.Errorf("%s is neither a TPM's device nor a socket", device)
	}
	if device, err = filepath.Abs(device); err != nil {
		return nil, err
	}
	return &TPM{name: device, dir: dir, channel: &channel{path: device}}, nil
}

// String is "tpm:" and the device's path.
func (t *TPM) String() string { return "tpm:" + t.name }

// use has f send commands, and lets go of the device.
func (t *TPM) use(f func(rw io.ReadWriter) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	err := f(t.channel)
	if closed := t.channel.Close(); err == nil {
		err = closed
	}
	return err
}

// Make makes a key of that kind, P-256, P-384 or RSA-2048, and returns it with what goes
// on disk for it.
func (t *TPM) Make(kind string) (crypto.Signer, []byte, error) {
	template, ok := templates[kind]
	if !ok {
		return nil, nil, fmt.Errorf("key type %q: a TPM has P-256, P-384 and RSA-2048", kind)
	}
	var wrapped *tss2.TPMKey
	err := t.use(func(rw io.ReadWriter) (err error) {
		wrapped, err = create(rw, template)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("making a key in the TPM: %w", err)
	}
	text, err := wrapped.EncodeToMemory()
	if err != nil {
		return nil, nil, err
	}
	signer, err := t.signer(wrapped)
	return signer, text, err
}

// Open returns the key that Make described so. That it is this TPM's is seen when it
// signs.
func (t *TPM) Open(text []byte) (crypto.Signer, error) {
	wrapped, _, err := parse(text)
	if err != nil {
		return nil, err
	}
	return t.signer(wrapped)
}

// Public returns the public key of the key that Make described so. It takes no TPM.
func Public(text []byte) (crypto.PublicKey, error) {
	wrapped, _, err := parse(text)
	if err != nil {
		return nil, err
	}
	return wrapped.Public()
}

// parse reads the text of a wrapped key, and returns what is behind it.
func parse(text []byte) (*tss2.TPMKey, []byte, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemKey {
		return nil, nil, errors.New("not a key of a TPM, in PEM")
	}
	wrapped, err := tss2.ParsePrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("a key of a TPM: %w", err)
	}
	for _, part := range [][]byte{wrapped.PublicKey, wrapped.PrivateKey} {
		if len(part) < 2 || len(part)-2 != int(part[0])<<8|int(part[1]) {
			return nil, nil, errors.New("a key of a TPM: its length is not what it says")
		}
	}
	return wrapped, rest, nil
}

// A signer is a key in the TPM.
type signer struct {
	*tss2.Signer
	tpm     *TPM
	wrapped *tss2.TPMKey
}

func (t *TPM) signer(wrapped *tss2.TPMKey) (crypto.Signer, error) {
	s, err := tss2.CreateSigner(t.channel, wrapped)
	if err != nil {
		return nil, fmt.Errorf("a key of a TPM: %w", err)
	}
	return &signer{s, t, wrapped}, nil
}

// Sign implements [crypto.Signer].
func (s *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	err = s.tpm.use(func(io.ReadWriter) error {
		signature, err = s.Signer.Sign(random, digest, opts)
		return err
	})
	return signature, err
}

// create makes a key below the storage root key.
func create(rw io.ReadWriter, template legacy.Public) (*tss2.TPMKey, error) {
	parent, err := storageRoot(rw)
	if err != nil {
		return nil, err
	}
	private, public, _, _, _, err := legacy.CreateKey(rw, parent, legacy.PCRSelection{}, "", "", template)
	if err != nil {
		return nil, err
	}
	return tss2.New(public, private, tss2.WithParent(parent)), nil
}
