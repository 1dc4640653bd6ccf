package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// Write writes a backup. open returns the bytes of a part, which must be those that the
// manifest says: if they are not, what was written is of no use, and Write returns an
// error. It needs memory for the manifest only.
func Write(w io.Writer, m Manifest, open func(Part) (io.ReadCloser, error)) error {
	m.Format = Format
	if err := m.check(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	for _, head := range []struct {
		name string
		text []byte
	}{{manifestName, text}, {digestName, digest(text)}} {
		if err := out.WriteHeader(header(m, head.name, int64(len(head.text)))); err != nil {
			return err
		}
		if _, err := out.Write(head.text); err != nil {
			return err
		}
	}
	for _, p := range m.Parts {
		if err := out.WriteHeader(header(m, p.Name, p.Size)); err != nil {
			return err
		}
		if err := writePart(out, p, open); err != nil {
			return err
		}
	}
	return out.Close()
}

func writePart(out io.Writer, p Part, open func(Part) (io.ReadCloser, error)) error {
	in, err := open(p)
	if err != nil {
		return err
	}
	defer in.Close()
	c := newChecked(in, p)
	if _, err := io.Copy(out, c); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	return c.end()
}

// header is that of every member: of a size that GNU's form can say, whatever it is.
func header(m Manifest, name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: m.At.Truncate(1e9), Format: tar.FormatGNU}
}

// digest is what the manifest is checked against.
func digest(text []byte) []byte {
	sum := sha256.Sum256(text)
	return hex.AppendEncode(nil, sum[:])
}

// Sum returns a part that is what r yields.
func Sum(name string, r io.Reader) (Part, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return Part{Name: name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}
