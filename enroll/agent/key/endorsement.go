//go:build !windows

package key

import (
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	legacy "github.com/google/go-tpm/legacy/tpm2"
	"github.com/google/go-tpm/tpmutil"
)

// endorsementPolicy is TPM2_PolicySecret(TPM_RH_ENDORSEMENT), SHA-256 (EK Credential
// Profile, Annex B.3.3).
var endorsementPolicy = []byte{
	0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
	0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
}

// A family of endorsement keys is made by one of the TCG's templates of the low range, and
// has its places in the TPM (EK Credential Profile, Section 2.2.1.4 and Annex B.3).
type family struct {
	cert, nonce tpmutil.Handle // NV indexes
	handle      tpmutil.Handle // where the key may stay
	template    func(nonce []byte) legacy.Public
}

// families are tried in this order: nearly all chips have the first.
var families = []family{
	{0x01c00002, 0x01c00003, 0x81010001, rsaEndorsement},      // L-1
	{0x01c0000a, 0x01c0000b, 0x81010002, ellipticEndorsement}, // L-2
}

func endorses(p legacy.Public) legacy.Public {
	p.NameAlg, p.AuthPolicy = legacy.AlgSHA256, endorsementPolicy
	p.Attributes = legacy.FlagFixedTPM | legacy.FlagFixedParent | legacy.FlagSensitiveDataOrigin |
		legacy.FlagAdminWithPolicy | legacy.FlagRestricted | legacy.FlagDecrypt
	return p
}

func rsaEndorsement(nonce []byte) legacy.Public {
	unique := make([]byte, 256)
	copy(unique, nonce)
	return endorses(legacy.Public{Type: legacy.AlgRSA, RSAParameters: &legacy.RSAParams{
		Symmetric: &legacy.SymScheme{Alg: legacy.AlgAES, KeyBits: 128, Mode: legacy.AlgCFB}, KeyBits: 2048, ModulusRaw: unique,
	}})
}

func ellipticEndorsement(nonce []byte) legacy.Public {
	x := make([]byte, 32)
	copy(x, nonce)
	return endorses(legacy.Public{Type: legacy.AlgECC, ECCParameters: &legacy.ECCParams{
		Symmetric: &legacy.SymScheme{Alg: legacy.AlgAES, KeyBits: 128, Mode: legacy.AlgCFB},
		CurveID:   legacy.CurveNISTP256, Point: legacy.ECPoint{XRaw: x, YRaw: make([]byte, 32)},
	}})
}

// An endorsement is an endorsement key: what shows that a TPM is the one that its maker
// made.
type endorsement struct {
	family
	key  crypto.PublicKey
	cert *x509.Certificate // its maker's; nil: none
	area []byte            // TPMT_PUBLIC, where there is no certificate
}

// endorsements yields the TPM's endorsement keys: those that its maker has certified, then
// those that it can make. Making one takes a chip seconds.
func (t *TPM) endorsements(yield func(*endorsement, error) bool) {
	var bare []family
	for _, f := range families {
		var cert *x509.Certificate
		err := t.use(func(rw io.ReadWriter) (err error) {
			cert, err = f.certificate(rw)
			return err
		})
		if err != nil || cert == nil {
			bare = append(bare, f)
			continue
		}
		if !yield(&endorsement{family: f, key: cert.PublicKey, cert: cert}, nil) {
			return
		}
	}
	for _, f := range bare {
		e := &endorsement{family: f}
		err := t.use(func(rw io.ReadWriter) error {
			handle, err := e.load(rw)
			if err == nil {
				flush(rw, handle)
			}
			return err
		})
		if err != nil {
			err = fmt.Errorf("reading the TPM's endorsement key: %w", err)
		}
		if !yield(e, err) {
			return
		}
	}
}

// certificate reads the maker's certificate; nil: there is none.
func (f family) certificate(rw io.ReadWriter) (*x509.Certificate, error) {
	der, err := legacy.NVReadEx(rw, f.cert, f.cert, "", 0)
	if err != nil {
		return nil, err
	}
	// Some are within a header (TCG PC Client Specific Implementation, Section 7.3.2), and
	// some have fill bytes behind them.
	if len(der) > 5 && der[0] == 0x10 && der[1] == 0x01 && der[2] == 0 {
		der = der[5:min(len(der), 5+int(binary.BigEndian.Uint16(der[3:])))]
	}
	var raw asn1.RawValue
	if _, err := asn1.Unmarshal(der, &raw); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(raw.FullBytes)
}

// load has the key in the TPM, until it is flushed, and notes what it is.
func (e *endorsement) load(rw io.ReadWriter) (tpmutil.Handle, error) {
	if public, _, _, err := legacy.ReadPublic(rw, e.handle); err == nil {
		if err := e.note(public); err == nil {
			return e.handle, nil
		}
	}
	nonce, _ := legacy.NVReadEx(rw, e.nonce, legacy.HandleOwner, "", 0) // few have one
	handle, _, err := legacy.CreatePrimary(rw, legacy.HandleEndorsement, legacy.PCRSelection{}, "", "", e.template(nonce))
	if err != nil {
		return 0, err
	}
	public, _, _, err := legacy.ReadPublic(rw, handle)
	if err == nil {
		err = e.note(public)
	}
	if err != nil {
		flush(rw, handle)
		return 0, err
	}
	return handle, nil
}

// note demands that a key in the TPM is the one that is known, or makes it that.
func (e *endorsement) note(public legacy.Public) error {
	key, err := public.Key()
	if err != nil {
		return err
	}
	if e.key != nil {
		if known, ok := e.key.(interface{ Equal(crypto.PublicKey) bool }); !ok || !known.Equal(key) {
			return errors.New("the TPM's endorsement key is not the one that its maker has certified")
		}
		return nil
	}
	if public.Attributes&legacy.FlagRestricted == 0 || public.Attributes&legacy.FlagDecrypt == 0 {
		return errors.New("it is no endorsement key")
	}
	area, err := public.Encode()
	if err == nil {
		e.key, e.area = key, area
	}
	return err
}

// flush frees a key's place in the TPM, unless it stays there.
func flush(rw io.ReadWriter, handle tpmutil.Handle) {
	if handle>>24 != tpmutil.Handle(legacy.HandleTypePersistent) {
		legacy.FlushContext(rw, handle) // if it is lost, so is the place
	}
}

// activate has the TPM reveal the secret of a credential that is for its key ak.
func (e *endorsement) activate(rw io.ReadWriter, ak tpmutil.Handle, credential, secret []byte) ([]byte, error) {
	if len(credential) < 2 || len(secret) < 2 {
		return nil, errors.New("it has no length")
	}
	ek, err := e.load(rw)
	if err != nil {
		return nil, err
	}
	defer flush(rw, ek)
	session, _, err := legacy.StartAuthSession(rw, legacy.HandleNull, legacy.HandleNull, make([]byte, 16), nil, legacy.SessionPolicy, legacy.AlgNull, legacy.AlgSHA256)
	if err != nil {
		return nil, err
	}
	defer legacy.FlushContext(rw, session)
	empty := legacy.AuthCommand{Session: legacy.HandlePasswordSession, Attributes: legacy.AttrContinueSession}
	if _, _, err := legacy.PolicySecret(rw, legacy.HandleEndorsement, empty, session, nil, nil, nil, 0); err != nil {
		return nil, err
	}
	both := []legacy.AuthCommand{empty, {Session: session, Attributes: legacy.AttrContinueSession}}
	return legacy.ActivateCredentialUsingAuth(rw, both, ak, ek, credential[2:], secret[2:])
}

// Endorsements returns the SHA-256, in hexadecimal, of the SubjectPublicKeyInfo of each of
// the TPM's endorsement keys, that first which the CA is shown first: an inventory knows
// the TPM by any of them.
func (t *TPM) Endorsements(context.Context) (all []string, err error) {
	for e, trouble := range t.endorsements {
		var spki []byte
		if trouble == nil {
			spki, trouble = x509.MarshalPKIXPublicKey(e.key)
		}
		if trouble != nil {
			err = cmp.Or(err, trouble)
			continue
		}
		sum := sha256.Sum256(spki)
		all = append(all, hex.EncodeToString(sum[:]))
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, err
}
