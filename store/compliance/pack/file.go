package pack

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Names of what a pack consists of beside its contents.
const (
	Sums      = "SHA256SUMS"
	Signature = "SHA256SUMS.sig"
	Note      = "SHA256SUMS.note"
	KeyFile   = "log-key.pem"
	Proofs    = "proofs.json"
	HowTo     = "VERIFY.txt"
)

// A File is one of a pack.
type File struct {
	Name string // without a folder
	Text []byte
}

// howTo is VERIFY.txt: five lines, of which the first four are commands.
const howTo = `sha256sum -c SHA256SUMS
openssl pkeyutl -verify -rawin -pubin -inkey log-key.pem -in SHA256SUMS -sigfile SHA256SUMS.sig
(printf '\001'; openssl pkey -pubin -in log-key.pem -outform DER | tail -c 32) | base64
betonica compliance verify . --key '%s'
The third command prints the log's key: it must end the key that you know the log by (betonica status, or a machine that follows it). The fourth does all of this, and checks the proofs of proofs.json.
`

// Seal adds to files what proves them: key is the log's, in its text and as PEM, and sign
// returns a text as a note signed by it.
func Seal(files []File, key string, pem []byte, sign func(text string) (string, error)) ([]File, error) {
	files = append(slices.Clone(files), File{KeyFile, pem}, File{HowTo, fmt.Appendf(nil, howTo, key)})
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	var sums strings.Builder
	for i, f := range files {
		if !plainName(f.Name) || i > 0 && files[i-1].Name == f.Name {
			return nil, fmt.Errorf("pack: a file called %q", f.Name)
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(f.Text), f.Name)
	}
	note, err := sign(sums.String())
	if err != nil {
		return nil, err
	}
	signature, err := signatureOf(note)
	if err != nil {
		return nil, err
	}
	return append(files, File{Sums, []byte(sums.String())}, File{Signature, signature}, File{Note, []byte(note)}), nil
}

// signatureOf returns the Ed25519 signature in a note: what follows four bytes of the
// key's hash.
func signatureOf(note string) ([]byte, error) {
	_, block, ok := strings.Cut(note, "\n\n")
	line, _, _ := strings.Cut(block, "\n")
	words := strings.Fields(line)
	if !ok || len(words) != 3 {
		return nil, errors.New("pack: the note has no signature")
	}
	raw, err := base64.StdEncoding.DecodeString(words[2])
	if err != nil || len(raw) != 4+64 {
		return nil, errors.New("pack: the note's signature is not of an Ed25519 key")
	}
	return raw[4:], nil
}

// plainName reports whether a name is one of a file, and not of a place.
func plainName(name string) bool {
	if name == "" || len(name) > 100 || name[0] == '.' {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
