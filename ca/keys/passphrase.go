package keys

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// credential is the name of the passphrase among systemd's credentials
// (LoadCredential=betonica.passphrase:...).
const credential = "betonica.passphrase"

// NewPassphrase returns a passphrase of 26 letters and digits with at least 128
// random bits, fit to be written down and typed in.
func NewPassphrase() []byte { return []byte(rand.Text()) }

// ReadPassphrase returns what is in the file, without the line end. If file is
// empty, it is the systemd credential betonica.passphrase, in the directory that
// $CREDENTIALS_DIRECTORY names. A file that everybody can read, an empty one and
// one of several lines are errors.
func ReadPassphrase(file string) ([]byte, error) {
	if file == "" {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return nil, errors.New("reading passphrase: no file is configured, and there are no systemd credentials")
		}
		file = filepath.Join(dir, credential)
	}
	passphrase, err := ReadLine(file)
	if err != nil {
		return nil, fmt.Errorf("reading passphrase: %w", err)
	}
	return passphrase, nil
}

// ReadLine returns the only line of a file with a secret in it, without its end: not empty,
// and as [ReadFile] says.
func ReadLine(file string) ([]byte, error) {
	text, err := ReadFile(file)
	if err != nil {
		return nil, err
	}
	line := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	switch {
	case len(line) == 0:
		return nil, fmt.Errorf("%s is empty", file)
	case bytes.ContainsAny(line, "\r\n"):
		return nil, fmt.Errorf("%s has more than one line", file)
	}
	return line, nil
}
