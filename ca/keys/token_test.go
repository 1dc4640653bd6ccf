package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/keys"
)

const (
	softHSM = "/usr/lib/softhsm/libsofthsm2.so"
	pin     = "a PIN of 24 characters!!"
)

// A token is one of SoftHSM's, in a folder.
type hsm struct {
	dir, ref string // ref: without the key
	pinFile  string
}

// newHSM makes a token; without SoftHSM the test is left out, but not in CI.
func newHSM(t *testing.T) *hsm {
	t.Helper()
	if _, err := exec.LookPath("softhsm2-util"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("softhsm2 is not installed")
		}
		t.Skip("left out: softhsm2 is not installed")
	}
	dir := t.TempDir()
	h := &hsm{dir: filepath.Join(dir, "tokens"), pinFile: filepath.Join(dir, "pin")}
	require.NoError(t, os.Mkdir(h.dir, 0o700))
	conf := filepath.Join(dir, "softhsm2.conf")
	require.NoError(t, os.WriteFile(conf, []byte("directories.tokendir = "+h.dir+"\nlog.level = ERROR\n"), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	h.util(t, "--init-token", "--free", "--label", "ca", "--so-pin", pin, "--pin", pin)
	h.setPIN(t, pin)
	h.ref = "pkcs11:module-path=" + softHSM + ";token=ca;object=%s?pin-source=file:" + h.pinFile
	return h
}

func (h *hsm) util(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("softhsm2-util", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func (h *hsm) setPIN(t *testing.T, pin string) {
	require.NoError(t, os.WriteFile(h.pinFile, []byte(pin+"\n"), 0o600))
}

// key names a key of the token.
func (h *hsm) key(object string) string { return fmt.Sprintf(h.ref, object) }

// signs demands that the key signs.
func signs(t *testing.T, key crypto.Signer) {
	t.Helper()
	require.NoError(t, sign(key))
}

func sign(key crypto.Signer) error {
	digest := sha256.Sum256([]byte("message"))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return err
	}
	switch public := key.Public().(type) {
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(public, digest[:], signature) {
			return fmt.Errorf("a signature that does not verify")
		}
		return nil
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
	}
	return fmt.Errorf("a %T", key.Public())
}

// A key is made in the token, found again by the reference that comes back, and never
// comes out of it.
func TestToken(t *testing.T) {
	h := newHSM(t)
	_, err := keys.Open(h.key("issuing"), nil)
	require.ErrorContains(t, err, "no such key")
	key, ref, made, err := keys.MakeToken(h.key("issuing"))
	require.NoError(t, err)
	require.True(t, made)
	signs(t, key)
	require.NoError(t, key.Health())
	_, err = keys.NewSealer(key)
	require.Error(t, err)
	again, err := keys.Open(ref, nil)
	require.NoError(t, err)
	require.Equal(t, key.Public(), again.Public())
	signs(t, again)

	same, _, made, err := keys.MakeToken(ref)
	require.NoError(t, err)
	require.False(t, made, "it is there")
	require.Equal(t, key.Public(), same.Public())
	next, _, made, err := keys.MakeToken(key.Next())
	require.NoError(t, err)
	require.True(t, made)
	require.NotEqual(t, key.Public(), next.Public())
	for _, k := range []*keys.TokenKey{key, again.(*keys.TokenKey), same, next} {
		require.NoError(t, k.Close())
		require.ErrorIs(t, sign(k), keys.ErrToken)
	}
}

// Keys that somebody else made are used: P-256, P-384 and RSA.
func TestTokenImported(t *testing.T) {
	h := newHSM(t)
	for i, args := range [][]string{{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}, {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"}, {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}} {
		name := fmt.Sprintf("key%d", i)
		file := filepath.Join(t.TempDir(), name)
		openssl(t, append([]string{"genpkey", "-out", file}, args...)...)
		h.util(t, "--import", file, "--token", "ca", "--label", name, "--id", fmt.Sprintf("0%d", i), "--pin", pin)
		key, err := keys.Open(h.key(name), nil)
		require.NoError(t, err)
		signs(t, key)
		require.NoError(t, key.(*keys.TokenKey).Close())
	}
}

// A reference that says too little, too much or a secret is refused, and no error
// shows what may be one.
func TestReferenceRefused(t *testing.T) {
	for _, tt := range []struct{ ref, says string }{
		{"pkcs11:", "id or object"},
		{"pkcs11:token=ca", "id or object"},
		{"pkcs11:token=ca;object=x?pin-value=s3cret", "pin-value"},
		{"pkcs11:token=ca;object=x;pin-value=s3cret", "pin-value"},
		{"pkcs11:token=ca;object=x?s3cret", "attribute=value"},
		{"pkcs11:token=ca;object=x?s3cret=1", "is none of"},
		{"pkcs11:token=ca;object=%zzs3cret", "attribute=value"},
		{"pkcs11:token=s3cret;token=b;object=x", "twice"},
		{"pkcs11:object=s3cret", "systemd credentials"},
		{"s3cret:1", "unknown scheme"},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", "")
		_, err := keys.Open(tt.ref, nil)
		require.ErrorContains(t, err, tt.says)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

// A PIN that is refused is asked with once: tokens lock themselves. No error shows it.
func TestTokenPIN(t *testing.T) {
	h := newHSM(t)
	key, ref, _, err := keys.MakeToken(h.key("issuing"))
	require.NoError(t, err)
	require.NoError(t, os.Chmod(h.pinFile, 0o644))
	_, err = keys.Open(ref, nil)
	require.ErrorContains(t, err, "everybody")
	require.NoError(t, os.Chmod(h.pinFile, 0o600))

	finalize(t)
	h.setPIN(t, "a wrong PIN")
	for range 3 {
		err := sign(key)
		require.ErrorIs(t, err, keys.ErrToken)
		require.NotContains(t, err.Error(), "wrong PIN")
	}
	require.ErrorContains(t, key.Health(), "refused the PIN")
	h.setPIN(t, pin)
	require.Eventually(t, func() bool { return key.Health() == nil }, 30*time.Second, 10*time.Millisecond)
	signs(t, key)
	require.NoError(t, key.Close())
}

// finalize ends the module under the hands of everybody in this process.
func finalize(t *testing.T) {
	module := pkcs11.New(softHSM)
	require.NotNil(t, module)
	require.NoError(t, module.Finalize())
}

// A key goes on signing when its sessions were lost, also while many sign; and while
// the token is away everybody hears so, until it is back.
func TestTokenLost(t *testing.T) {
	h := newHSM(t)
	key, _, _, err := keys.MakeToken(h.key("issuing"))
	require.NoError(t, err)
	for range 3 {
		finalize(t)
		signs(t, key)
		require.NoError(t, key.Health())
	}

	var calls sync.RWMutex // a module may not be ended amidst calls
	var wg sync.WaitGroup
	stop := make(chan struct{})
	failures := make(chan error, 1000)
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				calls.RLock()
				err := sign(key)
				calls.RUnlock()
				if err != nil {
					failures <- err
					return
				}
			}
		})
	}
	for range 5 {
		calls.Lock()
		finalize(t)
		calls.Unlock()
		require.Eventually(t, func() bool {
			calls.RLock()
			defer calls.RUnlock()
			return key.Health() == nil && sign(key) == nil
		}, 30*time.Second, time.Millisecond)
	}
	close(stop)
	wg.Wait()
	close(failures)
	for err := range failures {
		require.ErrorIs(t, err, keys.ErrToken)
	}

	require.NoError(t, os.Rename(h.dir, h.dir+".away"))
	require.NoError(t, os.Mkdir(h.dir, 0o700))
	finalize(t)
	require.ErrorIs(t, sign(key), keys.ErrToken)
	require.ErrorIs(t, key.Health(), keys.ErrToken)
	require.NoError(t, os.Remove(h.dir))
	require.NoError(t, os.Rename(h.dir+".away", h.dir))
	require.Eventually(t, func() bool { return key.Health() == nil }, 30*time.Second, 10*time.Millisecond, "it comes back by itself")
	signs(t, key)
	require.NoError(t, key.Close())
}
