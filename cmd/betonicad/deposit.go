package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca/keys"
)

// A deposit is what a further replica is made from: the files in keys/, each already
// under the passphrase or under the key that the passphrase opens, and what of the
// configuration every replica must say alike. It lies in the database, whose owner may
// put anything in its place: only its seal says that it is ours.
type deposit struct {
	Format      int               `json:"format"`
	Version     int64             `json:"version"`
	TrustDomain string            `json:"trust_domain"`
	Key         string            `json:"key,omitempty"` // [ca] key, where that is no file
	URL         string            `json:"url,omitempty"` // [http] url, as configured
	Names       []string          `json:"names"`         // [server] names
	Files       map[string][]byte `json:"files"`         // by their names in keys/
}

const (
	depositFormat = 1
	depositName   = "deposit" // what its digest is sealed as

	// What a deposit may hold, so that what a stranger put there costs no more.
	maxDepositFiles = 256
	maxDepositFile  = 256 << 10 // bytes
)

// A sealedDeposit is a deposit as it lies in the store.
type sealedDeposit struct {
	Body []byte `json:"body"` // a deposit
	Seal []byte `json:"seal"` // the SHA-256 of Body, sealed
}

var (
	// errForeign is a deposit that nobody made who has the CA's keys.
	errForeign = errors.New("the deposit in the database is not of this CA's making")
	// errNewerDeposit is one of a program that came after this one.
	errNewerDeposit = errors.New("the deposit in the database is of a newer version of betonicad: run that one")
)

// depositable is the name of a file that may be deposited.
var depositable = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}\.(key|pem|crl|json)$`)

// same says whether two deposits tell of the same CA: the same intermediates, moved
// in the same way, of which the root says the same. How their keys are encrypted does
// not matter.
func (p *deposit) same(other *deposit) bool {
	public := func(p *deposit) map[string][]byte {
		files := maps.Clone(p.Files)
		maps.DeleteFunc(files, func(name string, _ []byte) bool { return strings.HasSuffix(name, ".key") || name == "root-ocsp.pem" })
		return files
	}
	return maps.EqualFunc(public(p), public(other), bytes.Equal)
}

// unwrapDeposit reads what seal wrote, as far as nothing need be believed.
func unwrapDeposit(content []byte) (*sealedDeposit, error) {
	var s sealedDeposit
	if err := json.Unmarshal(content, &s); err != nil {
		return nil, fmt.Errorf("%w: it cannot be read", errForeign)
	}
	return &s, nil
}

// genuine returns an error unless somebody made the deposit who has the key that the
// sealer is of.
func (s *sealedDeposit) genuine(sealer *keys.Sealer) error {
	sum := sha256.Sum256(s.Body)
	sealed, err := sealer.Open(depositName, s.Seal)
	if err != nil || !bytes.Equal(sealed, sum[:]) {
		return fmt.Errorf("%w: its seal is not ours", errForeign)
	}
	return nil
}

// open reads the deposit, which the store says is this version.
func (s *sealedDeposit) open(version int64) (*deposit, error) {
	var p deposit
	if err := json.Unmarshal(s.Body, &p); err != nil {
		return nil, fmt.Errorf("%w: it cannot be read", errForeign)
	}
	switch {
	case p.Format > depositFormat:
		return nil, errNewerDeposit
	case p.Format != depositFormat || p.Version != version || len(p.Files) > maxDepositFiles:
		return nil, fmt.Errorf("%w: it contradicts itself", errForeign)
	}
	for name, text := range p.Files {
		if !depositable.MatchString(name) || len(text) > maxDepositFile {
			return nil, fmt.Errorf("%w: it holds a file %.70q of %d bytes", errForeign, name, len(text))
		}
	}
	return &p, nil
}

// write writes the files into keys/, by write. Those that others name come first, and
// what names them last: whatever moment it is stopped at, there is the CA of before,
// or that of after (see [roster]).
func (p *deposit) write(d layout, write func(string, []byte) error) error {
	last := []string{filepath.Base(d.rootResponder()), filepath.Base(d.rootCRL()), filepath.Base(d.roster())}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(p.Files)), func(name string) bool { return slices.Contains(last, name) })
	for _, name := range append(names, last...) {
		text, ok := p.Files[name]
		if !ok {
			continue
		}
		if old, err := os.ReadFile(d.inKeys(name)); err == nil && bytes.Equal(old, text) {
			continue
		}
		if err := write(d.inKeys(name), text); err != nil {
			return err
		}
	}
	if _, ok := p.Files[filepath.Base(d.rootOCSPKey())]; ok {
		return nil
	}
	if err := os.Remove(d.rootOCSPKey()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
