package audit

import (
	"crypto/fips140"
	"crypto/hpke"
	"errors"
	"fmt"
)

// A machine's journal is sealed under data keys of its own. So that the CA's auditors can
// read what it shipped, it sends those keys along, encrypted to the key of the CA's log
// (RFC 9180, base mode: X25519 with ML-KEM-768, HKDF-SHA256, AES-256-GCM). See SealFor.

func readerKey(secret [32]byte) hpke.PrivateKey {
	k, err := hpke.MLKEM768X25519().DeriveKeyPair(secret[:])
	if err != nil { // 32 bytes are enough
		panic(err)
	}
	return k
}

// ReaderKey returns the public key of whoever reads this log: others encrypt their data
// keys to it.
func (k *Keys) ReaderKey() []byte { return readerKey(k.reader).PublicKey().Bytes() }

// SealFor encrypts d to a reader's key. Who else has d's entries learns nothing.
//
// Before version 1.26 of Go's cryptographic module HPKE's own AES-GCM is none that FIPS
// 140-3 takes: its nonces are counted, and not drawn by the module. So in that mode HPKE
// only agrees on a secret (RFC 9180, Section 5.3), and what seals with that draws its own.
// Elsewhere it is as a CA of before can open it.
func (d DataKey) SealFor(reader []byte) ([]byte, error) {
	public, err := hpke.MLKEM768X25519().NewPublicKey(reader)
	if err != nil {
		return nil, fmt.Errorf("audit: key of a reader: %w", err)
	}
	seal := d.sealWhole
	if fips140.Enabled() {
		seal = d.sealExported
	}
	sealed, err := seal(public)
	if err != nil {
		return nil, fmt.Errorf("audit: sealing data key %s: %w", d.ID, err)
	}
	return sealed, nil
}

func (d DataKey) sealWhole(reader hpke.PublicKey) ([]byte, error) {
	return hpke.Seal(reader, hpke.HKDFSHA256(), hpke.AES256GCM(), readerInfo(d.ID), d.secret[:])
}

func (d DataKey) sealExported(reader hpke.PublicKey) ([]byte, error) {
	b, sender, err := hpke.NewSender(reader, hpke.HKDFSHA256(), hpke.ExportOnly(), readerInfo(d.ID))
	if err != nil {
		return nil, err
	}
	secret, err := sender.Export(exportContext, 32)
	if err != nil {
		return nil, err
	}
	return WrappingKey{secret: [32]byte(secret)}.aead().Seal(b, nil, d.secret[:], d.ID[:]), nil
}

// encapsulatedLen is the length of what the KEM has for its reader, and exportedLen that of
// what sealExported returns: what sealWhole returns is shorter by the nonce.
const (
	encapsulatedLen = 1088 + 32
	exportedLen     = encapsulatedLen + nonceLen + 32 + tagLen
	exportContext   = "AES-256-GCM"
)

// ErrForeignKey reports a data key that was not sealed to this log's reader.
var ErrForeignKey = errors.New("not sealed to this log")

// OpenFor returns the data key that SealFor encrypted to this log's reader, in either way, or
// [ErrForeignKey]. That it opens says nothing of who sealed it.
func (k *Keys) OpenFor(id KeyID, sealed []byte) (DataKey, error) {
	var secret []byte
	var err error
	if len(sealed) == exportedLen {
		secret, err = openExported(readerKey(k.reader), id, sealed)
	} else {
		// FIPS 140-3 has it that nonces are not repeated, which is for those to see to who
		// seal: a machine that is not in that mode has sealed this, and it is only opened.
		fips140.WithoutEnforcement(func() {
			secret, err = hpke.Open(readerKey(k.reader), hpke.HKDFSHA256(), hpke.AES256GCM(), readerInfo(id), sealed)
		})
	}
	if err != nil || len(secret) != 32 {
		return DataKey{}, fmt.Errorf("audit: data key %s: %w", id, ErrForeignKey)
	}
	return DataKey{ID: id, secret: [32]byte(secret)}, nil
}

func openExported(reader hpke.PrivateKey, id KeyID, sealed []byte) ([]byte, error) {
	r, err := hpke.NewRecipient(sealed[:encapsulatedLen], reader, hpke.HKDFSHA256(), hpke.ExportOnly(), readerInfo(id))
	if err != nil {
		return nil, err
	}
	secret, err := r.Export(exportContext, 32)
	if err != nil {
		return nil, err
	}
	return WrappingKey{secret: [32]byte(secret)}.aead().Open(nil, nil, sealed[encapsulatedLen:], id[:])
}

func readerInfo(id KeyID) []byte { return append([]byte("betonica journal data key "), id[:]...) }
