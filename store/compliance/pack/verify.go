package pack

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/betonica/betonica/store/audit/checkpoint"
)

// A Check is what Verify found out.
type Check struct {
	Log     string // whose key signed
	Key     string // the key's text
	Trusted bool   // the caller named it; otherwise it is the pack's own word
	Files   int    // that are as they were signed
	Entries int    // that are proved to be in the log
}

// maxFile bounds a file that is read.
const maxFile = 256 << 20

// Verify checks a pack in a folder: that the key signed the manifest, that every file in
// the folder is in it and as it was, and that sampled entries are in the log. An empty key
// is taken from the pack. A link, a folder, or a file that nobody signed for is an error:
// whoever looks at the folder takes it for evidence like the rest.
func Verify(dir fs.FS, key string) (Check, error) {
	c := Check{Trusted: key != ""}
	here, err := list(dir)
	if err != nil {
		return c, err
	}
	signed, err := read(dir, Note)
	if err != nil {
		return c, err
	}
	proofs, err := read(dir, Proofs)
	if err != nil {
		return c, err
	}
	if c.Key = key; key == "" {
		if c.Key, err = keyOf(proofs); err != nil {
			return c, err
		}
	}
	v, err := checkpoint.NewVerifier(c.Key)
	if err != nil {
		return c, err
	}
	c.Log = v.Name()
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return c, fmt.Errorf("%s: %w", Note, err)
	}
	sums, err := read(dir, Sums)
	if err != nil {
		return c, err
	}
	if string(sums) != n.Text {
		return c, fmt.Errorf("%s is not what was signed in %s", Sums, Note)
	}
	if err := signatureFile(dir, c.Key, sums); err != nil {
		return c, err
	}
	if c.Files, err = checkSums(dir, n.Text, here); err != nil {
		return c, err
	}
	c.Entries, err = checkProofs(proofs, c.Key)
	return c, err
}

// signatureFile holds the files that openssl reads to the key: somebody may look at them
// alone.
func signatureFile(dir fs.FS, key string, sums []byte) error {
	signature, err := read(dir, Signature)
	if err != nil {
		return err
	}
	public, err := checkpoint.PublicKey(key)
	if err != nil {
		return err
	}
	if !ed25519.Verify(public, sums, signature) {
		return fmt.Errorf("%s is not the key's signature of %s", Signature, Sums)
	}
	text, err := read(dir, KeyFile)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("%s holds no key", KeyFile)
	}
	other, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil || !public.Equal(other) {
		return fmt.Errorf("%s holds another key than the one that signed", KeyFile)
	}
	return nil
}

// list returns the names of what is in the folder, all of it files.
func list(dir fs.FS) (map[string]bool, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	here := map[string]bool{}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			return nil, fmt.Errorf("%q is no file of a pack, but something else (%s)", e.Name(), e.Type())
		}
		here[e.Name()] = true
	}
	return here, nil
}

// checkSums returns how many files are as they were signed; here is what is in the folder.
func checkSums(dir fs.FS, sums string, here map[string]bool) (n int, err error) {
	for _, name := range []string{Sums, Signature, Note} {
		delete(here, name)
	}
	named := map[string]bool{}
	for line := range strings.Lines(sums) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		want, err := hex.DecodeString(sum)
		if !ok || err != nil || !plainName(name) || named[name] {
			return n, fmt.Errorf("%s has a line that is none of a file", Sums)
		}
		named[name] = true
		delete(here, name)
		text, err := read(dir, name)
		if err != nil {
			return n, err
		}
		if got := sha256.Sum256(text); !bytes.Equal(got[:], want) {
			return n, fmt.Errorf("%s was changed after it was signed", name)
		}
		n++
	}
	for _, name := range []string{Proofs, KeyFile, HowTo} {
		if !named[name] {
			return n, fmt.Errorf("%s does not name %s", Sums, name)
		}
	}
	for name := range here {
		return n, fmt.Errorf("%q was not signed: it was put there later, and is nobody's evidence", name)
	}
	return n, nil
}

// keyOf returns the key that proofs.json names.
func keyOf(proofs []byte) (string, error) {
	var f ProofFile
	if err := json.Unmarshal(proofs, &f); err != nil {
		return "", err
	}
	if f.Key == "" {
		return "", errors.New("the pack names no key")
	}
	return f.Key, nil
}

func read(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is longer than %d bytes", name, maxFile)
	}
	return text, err
}
