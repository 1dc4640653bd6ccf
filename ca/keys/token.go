package keys

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/kms/pkcs11"
)

// ErrToken is what a [TokenKey] returns while its token does not answer.
var ErrToken = errors.New("the token with the key does not answer")

// Between two attempts to open a token that does not answer.
const (
	firstPause = 100 * time.Millisecond
	longPause  = 5 * time.Second
)

// A TokenKey signs with a private key in a PKCS #11 token: an HSM, a smart card, a
// module of software. The key never leaves it. A session that is lost (the token was
// taken away, the module was finalized by somebody else in this process, the network
// to it broke) is opened again when the next signature is asked for, at once and then
// with pauses of up to five seconds; in a pause every signature fails with
// [ErrToken], without asking. It may be used concurrently: how many signatures are
// made at a time is the reference's max-sessions, and others wait.
type TokenKey struct {
	ref    *reference
	public crypto.PublicKey

	mu     sync.RWMutex   // read: signing
	open   *pkcs11.PKCS11 // nil: lost
	signer crypto.Signer  // of open
	why    error          // it was lost
	pause  time.Duration  // before the next attempt
	next   time.Time      // when that is
	wrong  *[32]byte      // SHA-256 of a PIN that was refused: a token locks itself after a few
	closed bool
}

// openToken opens the key, which must be there.
func openToken(r *reference) (*TokenKey, error) {
	k := &TokenKey{ref: r}
	if err := k.connect(); err != nil {
		return nil, err
	}
	return k, nil
}

// MakeToken makes a key in the token that the reference names, P-256 and not to be
// got out again; one that is there already is used. It returns the key, the reference
// by which [Open] finds it, which has an id and an object then, and whether it is new.
func MakeToken(ref string) (key *TokenKey, found string, made bool, err error) {
	text, ok := strings.CutPrefix(ref, tokenScheme)
	if !ok {
		return nil, "", false, errors.New("pkcs11: must begin the key reference of a token")
	}
	r, err := parseReference(text)
	if err != nil {
		return nil, "", false, err
	}
	k := &TokenKey{ref: r}
	if err = k.connect(); err == nil {
		return k, r.String(), false, nil
	}
	if !errors.Is(err, errNoKey) {
		return nil, "", false, err
	}
	if err := r.named().generate(); err != nil {
		return nil, "", false, fmt.Errorf("making a key in the token: %w", err)
	}
	return k, r.String(), true, k.connect()
}

// Next returns a reference for another key in the same token, whose name begins as
// this one's.
func (k *TokenKey) Next() string {
	next := &reference{path: map[string]string{}, source: k.ref.source}
	for name, value := range k.ref.path {
		next.path[name] = value
	}
	delete(next.path, "id")
	next.named()
	base, _, _ := strings.Cut(next.path["object"], "~")
	next.path["object"] = fmt.Sprintf("%s~%x", base, next.path["id"])
	return next.String()
}

// Public implements [crypto.Signer].
func (k *TokenKey) Public() crypto.PublicKey { return k.public }

// Sign implements [crypto.Signer].
func (k *TokenKey) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, of, err := k.try(random, digest, opts)
	if err == nil {
		return signature, nil
	}
	if err := k.reopen(of, err); err != nil {
		return nil, err
	}
	if signature, of, err = k.try(random, digest, opts); err != nil {
		k.lose(of, err)
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return signature, nil
}

// Health returns why the token does not answer, or nil. It tries again if it is time
// to.
func (k *TokenKey) Health() error {
	k.mu.RLock()
	open, why := k.open, k.why
	k.mu.RUnlock()
	if open != nil {
		return nil
	}
	return k.reopen(nil, why)
}

// Close ends the sessions. Nothing is signed afterwards.
func (k *TokenKey) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed, k.why = true, errClosed
	return k.drop()
}

// try signs with what is open now, and returns it.
func (k *TokenKey) try(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, crypto.Signer, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.open == nil {
		return nil, nil, k.why
	}
	signature, err := k.signer.Sign(random, digest, opts)
	return signature, k.signer, err
}

// reopen opens the token anew unless somebody else has done so since of was in use.
// It waits for the signatures that are being made.
func (k *TokenKey) reopen(of crypto.Signer, why error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.open != nil && k.signer != of:
		return nil
	case k.closed:
		return fmt.Errorf("%w: %w", ErrToken, errClosed)
	case k.open != nil:
		k.drop()
		k.why = why
	case time.Now().Before(k.next):
		return fmt.Errorf("%w: %w", ErrToken, k.why)
	}
	if err := k.connect(); err != nil {
		k.failed(err)
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	k.pause, k.why = 0, nil
	return nil
}

// lose gives up what was opened and yet does not sign.
func (k *TokenKey) lose(of crypto.Signer, why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open != nil && k.signer == of {
		k.drop()
		k.failed(why)
	}
}

// failed has everybody wait, each time longer.
func (k *TokenKey) failed(why error) {
	k.why = why
	k.pause = min(max(firstPause, 2*k.pause), longPause)
	k.next = time.Now().Add(k.pause)
}

func (k *TokenKey) drop() error {
	if k.open == nil {
		return nil
	}
	err := k.open.Close()
	k.open, k.signer = nil, nil
	return err
}

var errClosed = errors.New("it was closed")

// errNoKey means that the token answers, and has no such key.
var errNoKey = errors.New("the token has no such key")

// errPIN means that the token refused the PIN, and is not asked again with it.
var errPIN = errors.New("the token refused the PIN; it is tried again when the file holds another one, since a token locks itself after a few")

// connect opens the token and finds the key in it, which must be the same as before.
func (k *TokenKey) connect() error {
	module, err := k.login()
	if err != nil {
		return err
	}
	signer, err := module.CreateSigner(&apiv1.CreateSignerRequest{SigningKey: k.ref.uri()})
	if err == nil && (signer == nil || signer.Public() == nil) {
		err = errNoKey
	}
	if err == nil && k.public != nil {
		if same, ok := k.public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !same.Equal(signer.Public()) {
			err = errors.New("the token has another key than before")
		}
	}
	if err != nil {
		if strings.Contains(err.Error(), "not found") {
			err = errNoKey
		}
		return errors.Join(fmt.Errorf("opening the key in the token: %w", err), module.Close())
	}
	k.open, k.signer, k.public = module, signer, signer.Public()
	return nil
}

// login opens the module and logs in.
func (k *TokenKey) login() (*pkcs11.PKCS11, error) {
	pin, err := k.ref.pin()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(pin))
	if k.wrong != nil && *k.wrong == sum {
		return nil, errPIN
	}
	module, err := pkcs11.New(context.Background(), apiv1.Options{Type: apiv1.PKCS11, URI: k.ref.uri(), Pin: pin})
	if err == nil {
		k.wrong = nil
		return module, nil
	}
	if strings.Contains(err.Error(), "CKR_PIN_") {
		k.wrong = &sum
		return nil, errPIN
	}
	return nil, fmt.Errorf("opening the token: %w", err)
}
