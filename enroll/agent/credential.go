package agent

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/enroll/client"
)

// ErrNotEnrolled reports a directory that holds no certificate yet.
var ErrNotEnrolled = errors.New("not enrolled")

// Files of one generation.
const (
	certFile   = "cert.pem"
	keyFile    = "key.pem"
	chainFile  = "chain.pem"
	rootsFile  = "roots.pem"
	recordFile = "agent.json"
)

// A Credential is one generation of a directory: a certificate, its key, and
// what goes with them. It is not changed once it is made.
type Credential struct {
	// Dir is the generation's own directory, not the link to it.
	Dir        string
	Generation int
	// Certificate is ready for TLS; its Leaf is set.
	Certificate tls.Certificate
	Roots       []*x509.Certificate
	// URL is the CA's.
	URL string
	// RenewAfter is when the CA wants to be asked for the next one.
	RenewAfter time.Time

	record record
}

// record is agent.json.
type record struct {
	URL string `json:"url"`
	// Token is the id of the join token that the directory was enrolled with, Proof what
	// else it showed, Parent the serial of the certificate that this one renews: a
	// request has one of them as its reason; Token and Proof are kept through renewals.
	Token   string  `json:"token,omitempty"`
	Proof   string  `json:"proof,omitempty"`
	Parent  string  `json:"parent,omitempty"`
	Request Request `json:"request"`
	CSR     string  `json:"csr"`
	// Keys is where the key is, if it is in no file.
	Keys string `json:"keys,omitempty"`
	// RenewAfter is zero until the certificate is there: its presence makes the
	// generation whole.
	RenewAfter time.Time `json:"renew_after,omitzero"`
	HookDone   bool      `json:"hook_done,omitempty"`
	Confirmed  bool      `json:"confirmed,omitempty"`
	// Held says that Exec or Health failed with this generation, and that one of before
	// is in place until it is tried again; Tries is how often.
	Held  *hold `json:"held,omitempty"`
	Tries int   `json:"tries,omitempty"`
}

// Load returns the credential that dir holds, changing nothing and waiting for
// nobody. Where the key is in no file, but in a chip, Certificate has no
// PrivateKey. The error wraps [ErrNotEnrolled] if there is none.
func Load(dir string) (*Credential, error) { return LoadWith(dir, nil) }

// LoadWith is Load with a key that is in no file opened by keys; nil: left closed.
func LoadWith(dir string, keys Keys) (*Credential, error) {
	return directory{path: dir, keys: keys}.load()
}

// KeysOf says where dir's newest key is: what [Keys] calls itself, empty for a
// key in a file, and for a directory without any.
func KeysOf(dir string) string {
	for _, name := range []string{nextDir, currentLink} {
		if rec, err := readRecord(filepath.Join(dir, name)); err == nil {
			return rec.Keys
		}
	}
	return ""
}

// load reads the current generation.
func (d directory) load() (*Credential, error) {
	n, err := currentGeneration(d.path)
	if err != nil {
		return nil, err
	}
	return d.generation(n)
}

// currentGeneration says which generation the link points to.
func currentGeneration(dir string) (int, error) {
	target, err := os.Readlink(filepath.Join(dir, currentLink))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: %w", dir, ErrNotEnrolled)
	}
	if err != nil {
		return 0, err
	}
	n, ok := generationNumber(target)
	if !ok {
		return 0, fmt.Errorf("%s points to %q, which is no generation", filepath.Join(dir, currentLink), target)
	}
	return n, nil
}

// generation reads and checks one generation: that it is whole, and that its
// key is its certificate's.
func (d directory) generation(n int) (*Credential, error) {
	c, err := readCredential(d.at(generationName(n)), d.keys)
	if err != nil {
		return nil, err
	}
	c.Generation = n
	return c, nil
}

func readCredential(dir string, keys Keys) (*Credential, error) {
	rec, err := readRecord(dir)
	if err != nil {
		return nil, err
	}
	if rec.RenewAfter.IsZero() {
		return nil, fmt.Errorf("%s: its certificate has not come yet", dir)
	}
	pair, err := readPair(dir, keys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if len(pair.Leaf.URIs) != 1 {
		return nil, fmt.Errorf("%s: the certificate has no SPIFFE ID", filepath.Join(dir, certFile))
	}
	text, err := os.ReadFile(filepath.Join(dir, rootsFile))
	if err != nil {
		return nil, err
	}
	roots, err := client.ParseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, rootsFile), err)
	}
	return &Credential{Dir: dir, Certificate: pair, Roots: roots, URL: rec.URL, RenewAfter: rec.RenewAfter, record: rec}, nil
}

// readPair reads a certificate, its chain and its key.
func readPair(dir string, keys Keys) (tls.Certificate, error) {
	text, err := os.ReadFile(filepath.Join(dir, certFile))
	if err != nil {
		return tls.Certificate{}, err
	}
	chain, err := client.ParseCertificates(text)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair := tls.Certificate{Leaf: chain[0]}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	if text, err = os.ReadFile(filepath.Join(dir, keyFile)); err != nil {
		return tls.Certificate{}, err
	}
	key, err := openKey(keys, text)
	if err != nil || key == nil {
		return pair, err
	}
	if own, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !own.Equal(chain[0].PublicKey) {
		return tls.Certificate{}, errors.New("the key is not the certificate's")
	}
	pair.PrivateKey = key
	return pair, nil
}

func readRecord(dir string) (record, error) {
	path := filepath.Join(dir, recordFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// ID is the SPIFFE ID, spiffe://<trust domain>/<role>/<name>.
func (c *Credential) ID() string { return c.Certificate.Leaf.URIs[0].String() }

// Serial is the certificate's serial number as the CA writes it.
func (c *Credential) Serial() string {
	n := c.Certificate.Leaf.SerialNumber
	if n.Sign() <= 0 || n.BitLen() > 128 {
		return n.Text(16)
	}
	return hex.EncodeToString(n.FillBytes(make([]byte, 16)))
}

// NotAfter is when the certificate ends.
func (c *Credential) NotAfter() time.Time { return c.Certificate.Leaf.NotAfter }

// Trust says who the CA is.
func (c *Credential) Trust() client.Trust {
	return client.Trust{Roots: c.Roots, TrustDomain: c.Certificate.Leaf.URIs[0].Host}
}

// generationName and generationNumber are gen-000123 and 123.
func generationName(n int) string { return fmt.Sprintf("gen-%06d", n) }

func generationNumber(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "gen-")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && generationName(n) == name
}
