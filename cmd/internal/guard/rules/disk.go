package rules

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/betonica/betonica/revoke/allow/signed"
)

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, signed.MaxSize+1)) // Open refuses one that is longer
}

// writeFile replaces a file: after a crash it is the old one or the new one, whole.
func writeFile(path string, text []byte) error {
	dir := filepath.Dir(path)
	next, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	err = errors.Join(err, next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		os.Remove(next.Name())
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
