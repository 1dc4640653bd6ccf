package audit

import (
	"crypto/hpke"
	"errors"
	"fmt"
)

// A machine's journal is sealed under data keys of its own. So that the CA's auditors can
// read what it shipped, it sends those keys along, encrypted to the key of the CA's log
// (RFC 9180, base mode: X25519 with ML-KEM-768, HKDF-SHA256, AES-256-GCM).

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
func (d DataKey) SealFor(reader []byte) ([]byte, error) {
	public, err := hpke.MLKEM768X25519().NewPublicKey(reader)
	if err != nil {
		return nil, fmt.Errorf("audit: key of a reader: %w", err)
	}
	sealed, err := hpke.Seal(public, hpke.HKDFSHA256(), hpke.AES256GCM(), readerInfo(d.ID), d.secret[:])
	if err != nil {
		return nil, fmt.Errorf("audit: sealing data key %s: %w", d.ID, err)
	}
	return sealed, nil
}

// ErrForeignKey reports a data key that was not sealed to this log's reader.
var ErrForeignKey = errors.New("not sealed to this log")

// OpenFor returns the data key that SealFor encrypted to this log's reader, or
// [ErrForeignKey]. That it opens says nothing of who sealed it.
func (k *Keys) OpenFor(id KeyID, sealed []byte) (DataKey, error) {
	secret, err := hpke.Open(readerKey(k.reader), hpke.HKDFSHA256(), hpke.AES256GCM(), readerInfo(id), sealed)
	if err != nil || len(secret) != 32 {
		return DataKey{}, fmt.Errorf("audit: data key %s: %w", id, ErrForeignKey)
	}
	return DataKey{ID: id, secret: [32]byte(secret)}, nil
}

func readerInfo(id KeyID) []byte { return append([]byte("betonica journal data key "), id[:]...) }
