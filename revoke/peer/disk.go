package peer

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/betonica/betonica/revoke/crl"
)

// The files of an issuer, by the hex of its key id and one of these.
const (
	full  = ".full.crl"
	delta = ".delta.crl"
	maker = ".cer" // the issuer's certificate
)

func makeState(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	return nil
}

func (k *keeper) path(kind string) string { return filepath.Join(k.peer.conf.State, k.id+kind) }

// load reads what the last run kept. What does not verify any more is as if it
// were not there; an error means that the disk does not read.
func (k *keeper) load() error {
	for _, kind := range []string{full, delta} {
		der, err := readFile(k.path(kind), k.peer.conf.MaxList)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if errors.Is(err, errTooLong) {
			k.event(BadList, "", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("peer: %w", err)
		}
		if err := k.take(der, false); err != nil && !errors.Is(err, crl.ErrOld) { // a delta that the full list has overtaken
			k.event(BadList, "", fmt.Errorf("%s: %w", k.path(kind), err))
		} else if kind == full {
			k.mu.Lock()
			k.etag = etagOf(der)
			k.mu.Unlock()
		}
	}
	return nil
}

// write replaces one of the issuer's files. The caller holds k.mu.
func (k *keeper) write(kind string, der []byte) error {
	err := writeFile(k.path(kind), der)
	if kind == full && err == nil {
		k.etag = etagOf(der)
	}
	return err
}

// remember writes down whose lists these are, so that the next run has them from
// its first moment.
func (k *keeper) remember() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.removed {
		return
	}
	if err := k.write(maker, k.issuer.Raw); err != nil {
		k.event(Persisting, "", err)
	}
}

// forget removes the issuer's files, and ends what goes on for it.
func (k *keeper) forget() {
	close(k.gone)
	k.hub.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.removed = true
	for _, kind := range []string{maker, full, delta} {
		if err := os.Remove(k.path(kind)); err != nil && !errors.Is(err, os.ErrNotExist) {
			k.event(Persisting, "", err)
		}
	}
}

// remembered returns the issuers that earlier runs have met. What does not parse is
// passed over: that they are issuers is for the caller to verify.
func remembered(dir string) []*x509.Certificate {
	var all []*x509.Certificate
	entries, _ := os.ReadDir(dir) // none: nobody was met
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), maker) || len(all) == maxIssuers {
			continue
		}
		der, err := readFile(filepath.Join(dir, e.Name()), 64<<10)
		if err != nil {
			continue
		}
		if cert, err := x509.ParseCertificate(der); err == nil {
			all = append(all, cert)
		}
	}
	return all
}

func etagOf(der []byte) string {
	sum := sha256.Sum256(der)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

var errTooLong = errors.New("the file is longer")

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}

func readAll(f *os.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %w than %d bytes", f.Name(), errTooLong, limit)
	}
	content := make([]byte, info.Size())
	_, err = io.ReadFull(f, content)
	return content, err
}

// writeFile replaces a file whole: after a crash it is the old one or the new one.
func writeFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
