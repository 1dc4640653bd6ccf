package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
)

// Read reads a backup to its end. begin gets the manifest before anything else is
// read, and may refuse it; take gets each part in turn, and whatever it leaves unread
// is read behind it. What take does with a part must count only once Read has returned
// nil: until then it is not known whether the bytes are right.
//
// The error is a [*DamagedError], wraps [ErrFormat], or is one of begin, take or r. It
// needs memory for the manifest only, and never reads past the sizes that it names.
func Read(r io.Reader, begin func(Manifest) error, take func(Part, io.Reader) error) error {
	in := tar.NewReader(r)
	text, err := readHead(in, manifestName)
	if err != nil {
		return err
	}
	sum, err := readHead(in, digestName)
	if err != nil {
		return err
	}
	if !bytes.Equal(sum, digest(text)) {
		return damaged("its manifest is not the one that was written")
	}
	m, err := decode(text)
	if err != nil {
		return err
	}
	if err := begin(m); err != nil {
		return err
	}
	for _, p := range m.Parts {
		size, err := next(in, p.Name)
		if err != nil {
			return err
		}
		if size != p.Size {
			return damaged("%q has %d bytes, and its manifest says %d", p.Name, size, p.Size)
		}
		c := newChecked(in, p)
		if err := take(p, c); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			return err
		}
		if err := c.end(); err != nil {
			return err
		}
	}
	if _, err := in.Next(); err != io.EOF {
		return damaged("something follows its last part")
	}
	return drain(r)
}

// readHead reads a member that is small.
func readHead(in *tar.Reader, name string) ([]byte, error) {
	size, err := next(in, name)
	if err != nil {
		return nil, err
	}
	if size > maxManifest {
		return nil, damaged("%q has %d bytes", name, size)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, cutOff(err)
	}
	return text, nil
}

// drain reads what tar left, which is padding: the end of an encrypted stream proves
// that nothing was cut off.
func drain(r io.Reader) error {
	n, err := io.Copy(io.Discard, io.LimitReader(r, maxPadding+1))
	if err != nil {
		return cutOff(err)
	}
	if n > maxPadding {
		return damaged("something follows its end")
	}
	return nil
}

const maxPadding = 64 << 10

// next reads the head of the next member, which must be a regular file of this name and
// nothing that tar knows besides.
func next(in *tar.Reader, name string) (size int64, err error) {
	h, err := in.Next()
	if err == io.EOF {
		return 0, damaged("it ends before %q", name)
	}
	if err != nil {
		return 0, cutOff(err)
	}
	if h.Typeflag != tar.TypeReg || h.Name != name || h.Linkname != "" || len(h.PAXRecords) > 0 {
		return 0, damaged("where %q should be there is %.100q", name, h.Name)
	}
	return h.Size, nil
}

// cutOff names what tar, or the decryption below it, says of bytes that are not those
// that were written.
func cutOff(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrInsecurePath) {
		return damaged("it is cut off, or is no backup")
	}
	return err
}

// A checked reader yields a part, and knows at its end whether it was the right one.
type checked struct {
	r    io.Reader
	part Part
	hash hash.Hash
	n    int64
}

func newChecked(r io.Reader, p Part) *checked { return &checked{r: r, part: p, hash: sha256.New()} }

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.hash.Write(b[:n])
	c.n += int64(n)
	if err != nil && err != io.EOF {
		err = cutOff(err)
	}
	return n, err
}

// end says whether all of it was read, and was what it should be.
func (c *checked) end() error {
	if c.n != c.part.Size || hex.EncodeToString(c.hash.Sum(nil)) != c.part.SHA256 {
		return damaged("%q is not what its manifest says", c.part.Name)
	}
	return nil
}
