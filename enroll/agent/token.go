package agent

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/betonica/betonica/enroll/api"
)

// ReadToken reads a join token, and blank space around it, from a file or a
// pipe. No error quotes what was read.
func ReadToken(r io.Reader) (api.JoinToken, error) {
	text, err := io.ReadAll(io.LimitReader(r, 4<<10))
	if err != nil {
		return api.JoinToken{}, err
	}
	return api.ParseToken(string(bytes.TrimSpace(text)))
}

func readTokenFile(path string) (api.JoinToken, error) {
	f, err := os.Open(path)
	if err != nil {
		return api.JoinToken{}, err
	}
	defer f.Close()
	token, err := ReadToken(f)
	if err != nil {
		return api.JoinToken{}, fmt.Errorf("%s: %w", path, err)
	}
	return token, nil
}
