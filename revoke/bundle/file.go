package bundle

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// write replaces the file by what is held, if that differs.
func (k *Keeper) write() error {
	if err := k.whole(); err != nil {
		return err
	}
	text := k.text()
	old, err := os.ReadFile(k.conf.Path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err != nil || !bytes.Equal(old, text) {
		if err := replace(k.conf.Path, text); err != nil {
			return err
		}
		attrs := []any{"file", k.conf.Path}
		for _, h := range k.inOrder() {
			attrs = append(attrs, h.issuer.Subject.CommonName, h.state.Number())
		}
		k.conf.Log.Info("revocation lists: written", attrs...)
		k.told = false
	}
	if !k.told {
		k.told = true
		k.conf.Changed()
	}
	return nil
}

// whole returns nil if there is a list of each CA from the machine's certificate up
// to its root.
func (k *Keeper) whole() error {
	between, roots := k.own()
	for _, c := range between {
		if k.held[idOf(c)] == nil {
			return missing(c)
		}
		for _, r := range roots {
			if bytes.Equal(c.RawIssuer, r.RawSubject) && k.held[idOf(r)] == nil && c.CheckSignatureFrom(r) == nil {
				return missing(r)
			}
		}
	}
	return nil
}

func missing(c *x509.Certificate) error {
	return fmt.Errorf("there is no list of %q: a file without it would have servers refuse everyone, and is not written", c.Subject.CommonName)
}

// text is the file: the lists of issuers first, those of roots last.
func (k *Keeper) text() []byte {
	var text bytes.Buffer
	for _, h := range k.inOrder() {
		pem.Encode(&text, &pem.Block{Type: "X509 CRL", Bytes: h.der})
	}
	return text.Bytes()
}

func (k *Keeper) inOrder() []*held {
	var all []*held
	for _, h := range k.held {
		all = append(all, h)
	}
	rank := func(h *held) int {
		if bytes.Equal(h.issuer.RawIssuer, h.issuer.RawSubject) {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b *held) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), bytes.Compare(a.issuer.SubjectKeyId, b.issuer.SubjectKeyId))
	})
	return all
}

// replace puts a file that everyone may read in the place of path, on disk when it
// returns: whoever reads path, after a crash too, finds the old one or the new one.
func replace(path string, text []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	err = errors.Join(f.Chmod(0o644), writeSync(f, text), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func writeSync(f *os.File, text []byte) error {
	if _, err := f.Write(text); err != nil {
		return err
	}
	return f.Sync()
}
