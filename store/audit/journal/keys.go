package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/betonica/betonica/store/audit"
)

// readMaster returns the keys that the master secret in a file gives.
func readMaster(name string) (*audit.Keys, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var master [32]byte
	if n, err := hex.Decode(master[:], bytes.TrimSpace(text)[:min(64, len(bytes.TrimSpace(text)))]); err != nil || n != len(master) || len(bytes.TrimSpace(text)) != 64 {
		return nil, fmt.Errorf("journal: %s does not hold 64 hex digits", name) // and nothing of what it holds
	}
	return audit.NewKeys(master), nil
}

// makeMaster writes a new master secret, of a journal that has none.
func makeMaster(name string) error {
	master := audit.NewMaster()
	return replace(name, []byte(hex.EncodeToString(master[:])+"\n"))
}

// makeOrigin names a new journal.
func makeOrigin(dir, identity string) error {
	if identity == "" || strings.ContainsAny(identity, " +\n") {
		return fmt.Errorf("journal: %q cannot be the name of a machine", identity)
	}
	id := make([]byte, 8)
	rand.Read(id) // never fails
	return replace(filepath.Join(dir, "origin"), fmt.Appendf(nil, "%s/journal/%x\n", identity, id))
}

func readOrigin(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "origin"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s holds no journal: %w", dir, err)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(text)), nil
}

// keyFile is the file of data keys: a line for each, its id and how it is wrapped.
func keyFile(dir string) string { return filepath.Join(dir, "keys") }

// addDataKey makes a data key, and puts it on disk before an entry is sealed under it.
func addDataKey(dir string, keys *audit.Keys) (audit.DataKey, error) {
	d := audit.NewDataKey()
	text, err := os.ReadFile(keyFile(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	text = fmt.Appendf(text, "%s %s\n", d.ID, base64.StdEncoding.EncodeToString(keys.Wrap(d)))
	return d, replace(keyFile(dir), text)
}

// readDataKeys returns the data keys in the order in which they were made.
func readDataKeys(dir string, keys *audit.Keys) ([]audit.DataKey, error) {
	text, err := os.ReadFile(keyFile(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []audit.DataKey
	for line := range strings.Lines(string(text)) {
		name, wrapped, _ := strings.Cut(strings.TrimSpace(line), " ")
		var id audit.KeyID
		n, err := hex.Decode(id[:], []byte(name)[:min(len(name), 2*len(id))])
		b, err2 := base64.StdEncoding.DecodeString(wrapped)
		if err != nil || err2 != nil || n != len(id) || len(name) != 2*n {
			return nil, damaged("%s: line %d", keyFile(dir), len(all)+1)
		}
		d, err := keys.Unwrap(id, b)
		if err != nil {
			return nil, fmt.Errorf("%s: is this the journal's key? %w", keyFile(dir), err)
		}
		all = append(all, d)
	}
	return all, nil
}
