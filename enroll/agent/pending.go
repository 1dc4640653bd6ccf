package agent

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
)

// pending returns the request that is on its way for the reason that want
// gives (its token, or its parent), and makes one if there is none: a new key
// and a CSR, both on disk when pending returns. A request for another reason, or
// for other names, is dropped.
func (d directory) pending(want record, trustDomain string) (record, error) {
	if rec, err := d.readPending(); err == nil && sameReason(rec, want, d.keys.String()) {
		rec.URL = want.URL
		return rec, nil
	}
	key, text, err := d.keys.Make(want.Request.Key)
	if err != nil {
		return record{}, err
	}
	if want.CSR, err = encodeCSR(want.Request, trustDomain, key); err != nil {
		return record{}, err
	}
	want.Keys = d.keys.String()
	if err := d.disk.remove(d.at(nextDir)); err != nil {
		return record{}, err
	}
	if err := d.disk.mkdir(d.at(nextDir)); err != nil {
		return record{}, err
	}
	if err := d.disk.write(d.at(nextDir, keyFile), text, 0o600); err != nil {
		return record{}, err
	}
	if err := d.writeRecord(d.at(nextDir), want); err != nil {
		return record{}, err
	}
	return want, d.disk.sync(d.path)
}

// readPending reads the request in next, and checks that the key is there that
// signed it.
func (d directory) readPending() (record, error) {
	rec, err := readRecord(d.at(nextDir))
	if err != nil {
		return record{}, err
	}
	key, err := d.pendingKey()
	if err != nil {
		return record{}, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return record{}, err
	}
	block, _ := pem.Decode([]byte(rec.CSR))
	if block == nil {
		return record{}, fmt.Errorf("%s: no request", d.at(nextDir))
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return record{}, err
	}
	if !bytes.Equal(csr.RawSubjectPublicKeyInfo, spki) {
		return record{}, fmt.Errorf("%s: the key is not the request's", d.at(nextDir))
	}
	return rec, nil
}

// pendingKey opens the key of the request in next.
func (d directory) pendingKey() (crypto.Signer, error) {
	text, err := os.ReadFile(d.at(nextDir, keyFile))
	if err != nil {
		return nil, err
	}
	key, err := openKey(d.keys, text)
	if err == nil && key == nil {
		err = errors.New("the key is in a chip that is not open")
	}
	return key, err
}

// sameReason reports whether a request on its way is the one that is wanted now.
func sameReason(is, want record, keys string) bool {
	a, b := is.Request, want.Request
	return is.Keys == keys && is.Token == want.Token && is.Proof == want.Proof && is.Parent == want.Parent &&
		a.Identity == b.Identity && a.Role == b.Role && slices.Equal(a.DNSNames, b.DNSNames) && slices.Equal(a.IPs, b.IPs) && a.Key == b.Key
}
