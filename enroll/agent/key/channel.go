//go:build !windows

package key

import (
	"errors"
	"io"

	"github.com/google/go-tpm/tpmutil"
)

// A channel carries commands to a device or a socket. It is open only from a command on
// until Close, so that others can use a device that takes one user at a time, and so
// that a TPM which was restarted is found again.
type channel struct {
	path string
	open io.ReadWriteCloser // nil: not
}

func (c *channel) Write(p []byte) (int, error) {
	if c.open == nil {
		open, err := tpmutil.OpenTPM(c.path)
		if err != nil {
			return 0, err
		}
		c.open = open
	}
	return c.open.Write(p)
}

func (c *channel) Read(p []byte) (int, error) {
	if c.open == nil {
		return 0, errors.New("the TPM was asked nothing")
	}
	return c.open.Read(p)
}

func (c *channel) Close() error {
	open := c.open
	c.open = nil
	if _, socket := open.(*tpmutil.EmulatorReadWriteCloser); open == nil || socket {
		return nil // it closes its connection after each answer
	}
	return open.Close()
}
