//go:build !windows

package key

import (
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"go.step.sm/crypto/tpm"
	"go.step.sm/crypto/tpm/storage"
	"go.step.sm/crypto/tpm/tss2"
)

// pemKey is the type of a wrapped key in PEM.
const pemKey = "TSS2 PRIVATE KEY"

// A TPM holds private keys, and one attestation key. Its methods may be called
// concurrently; the TPM takes one command at a time.
type TPM struct {
	name string
	dir  string // of what is kept beside the keys: the attestation key
	dev  *tpm.TPM
	raw  io.ReadWriteCloser // for the commands that dev does not have
	mu   sync.Mutex         // of raw, and of dir
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
	return open(device, dir, &channel{path: device}, &channel{path: device}, tpm.WithDeviceName(device))
}

func open(name, dir string, commands tpm.CommandChannel, raw io.ReadWriteCloser, opts ...tpm.NewTPMOption) (*TPM, error) {
	opts = append(opts, tpm.WithDisableDownload())
	if dir != "" {
		opts = append(opts, tpm.WithStore(storage.NewDirstore(dir, storage.WithCacheSize(0))))
	}
	if commands != nil {
		opts = append(opts, tpm.WithCommandChannel(commands))
	}
	dev, err := tpm.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("opening the TPM: %w", err)
	}
	return &TPM{name: name, dir: dir, dev: dev, raw: raw}, nil
}

// String is "tpm:" and the device's path.
func (t *TPM) String() string { return "tpm:" + t.name }

// kinds are the keys that every TPM 2.0 of a PC can make (PC Client Platform TPM
// Profile), P-384 the newer ones.
var kinds = map[string]tpm.CreateKeyConfig{
	"P-256":    {Algorithm: "ECDSA", Size: 256},
	"P-384":    {Algorithm: "ECDSA", Size: 384},
	"RSA-2048": {Algorithm: "RSA", Size: 2048},
}

// scratch is what a key is called until its text is made.
const scratch = "new"

// Make makes a key of that kind, P-256, P-384 or RSA-2048, and returns it with what goes
// on disk for it.
func (t *TPM) Make(kind string) (crypto.Signer, []byte, error) {
	conf, ok := kinds[kind]
	if !ok {
		return nil, nil, fmt.Errorf("key type %q: a TPM has P-256, P-384 and RSA-2048", kind)
	}
	ctx := context.Background()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return nil, nil, err
	}
	t.dev.DeleteKey(ctx, scratch) // left by a loss of power; that there is none is no matter
	key, err := t.dev.CreateKey(ctx, scratch, conf)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key in the TPM: %w", err)
	}
	wrapped, err := key.ToTSS2(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key in the TPM: %w", err)
	}
	if err := t.dev.DeleteKey(ctx, scratch); err != nil {
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
	wrapped, err := parse(text)
	if err != nil {
		return nil, err
	}
	return t.signer(wrapped)
}

// Public returns the public key of the key that Make described so. It takes no TPM.
func Public(text []byte) (crypto.PublicKey, error) {
	wrapped, err := parse(text)
	if err != nil {
		return nil, err
	}
	return wrapped.Public()
}

// parse reads the text of a wrapped key.
func parse(text []byte) (*tss2.TPMKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemKey {
		return nil, errors.New("not a key of a TPM, in PEM")
	}
	wrapped, err := tss2.ParsePrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("a key of a TPM: %w", err)
	}
	for _, part := range [][]byte{wrapped.PublicKey, wrapped.PrivateKey} {
		if len(part) < 2 || len(part)-2 != int(part[0])<<8|int(part[1]) {
			return nil, errors.New("a key of a TPM: its length is not what it says")
		}
	}
	return wrapped, nil
}

// A signer is a key in the TPM.
type signer struct {
	crypto.Signer
	wrapped *tss2.TPMKey
}

func (t *TPM) signer(wrapped *tss2.TPMKey) (crypto.Signer, error) {
	s, err := tpm.CreateTSS2Signer(context.Background(), t.dev, wrapped)
	if err != nil {
		return nil, fmt.Errorf("a key of a TPM: %w", err)
	}
	return &signer{s, wrapped}, nil
}
