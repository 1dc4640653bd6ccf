package wire

import (
	"fmt"

	"github.com/betonica/betonica/ca/keys"
)

// Secret reads a secret, which is the only line of its file: at most 64 KiB of printable
// ASCII. A file that everybody can read is an error. No error says what the secret is.
func Secret(file string) ([]byte, error) {
	line, err := keys.ReadLine(file)
	if err != nil {
		return nil, fmt.Errorf("reading a secret: %w", err)
	}
	for _, c := range line {
		if c < ' ' || c > '~' {
			return nil, fmt.Errorf("reading a secret: %s has a character that is not printable ASCII", file)
		}
	}
	return line, nil
}
