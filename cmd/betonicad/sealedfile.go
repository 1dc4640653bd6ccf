package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store/backup"
)

// recipients are whom a backup is encrypted to; none: nobody, it is plain.
type recipients struct {
	keys  []age.Recipient
	names []string
}

// sealTo says whom the backup is for: the flags win over the configuration.
func (b backing) sealTo(c *server.Config) (recipients, error) {
	names := b.recipients
	if len(names) == 0 {
		names = c.Backup.Recipients
	}
	switch {
	case b.plain && len(b.recipients) > 0:
		return recipients{}, usagef("--plain and --recipient exclude each other")
	case b.plain:
		return recipients{names: []string{}}, nil
	case len(names) == 0:
		return recipients{}, usagef("nobody could read the backup: name an age recipient with --recipient or [backup] recipients, made with age-keygen; or write it unencrypted with --plain, from which everyone who gets it learns all that is on record")
	}
	if err := sealable(); err != nil {
		return recipients{}, err
	}
	r := recipients{names: names}
	for _, name := range names {
		if strings.HasPrefix(name, "AGE-SECRET-KEY-") {
			return recipients{}, usagef("a recipient is an age identity, which is secret: give its public half, which begins with age1")
		}
		keys, err := age.ParseRecipients(strings.NewReader(name))
		if err != nil || len(keys) != 1 {
			return recipients{}, usagef("%.80q is no age recipient: one begins with age1", name)
		}
		if err := approved(keys[0]); err != nil {
			return recipients{}, err
		}
		r.keys = append(r.keys, keys...)
	}
	return r, nil
}

// A sealedFile is a backup on its way to the disk and back.
type sealedFile struct {
	file *createdFile
	to   recipients
	said *progressLine
	sum  []byte // SHA-256 of what was written
	size int64
}

// write encrypts and writes the backup.
func (f *sealedFile) write(ctx context.Context, m backup.Manifest, p *parts) error {
	hash := sha256.New()
	var total int64
	for _, part := range m.Parts {
		total += part.Size
	}
	disk := &watched{ctx: ctx, w: io.MultiWriter(f.file, hash), show: f.said.show("writing"), total: total}
	err := f.seal(disk, func(w io.Writer) error { return backup.Write(w, m, p.open) })
	f.sum, f.size = hash.Sum(nil), disk.n
	return err
}

// seal has write write to w what only the recipients can read.
func (f *sealedFile) seal(w io.Writer, write func(io.Writer) error) error {
	if len(f.to.keys) == 0 {
		return write(w)
	}
	sealed, err := age.Encrypt(w, f.to.keys...)
	if err != nil {
		return err
	}
	return errors.Join(write(sealed), sealed.Close())
}

// verify reads back from the disk what was written. What is encrypted can only be held
// against its digest here; what is not is read as restore would.
func (f *sealedFile) verify(ctx context.Context) error {
	if err := f.file.settle(); err != nil {
		return err
	}
	hash := sha256.New()
	disk := &watched{ctx: ctx, w: hash, show: f.said.show("reading back"), total: f.size}
	if _, err := io.Copy(disk, f.file.reader()); err != nil {
		return err
	}
	if disk.n != f.size || !bytes.Equal(hash.Sum(nil), f.sum) {
		return errors.New("the disk does not give back what was written to it")
	}
	if len(f.to.keys) > 0 {
		return nil
	}
	return backup.Read(f.file.reader(), func(backup.Manifest) error { return nil }, func(backup.Part, io.Reader) error { return context.Cause(ctx) })
}

// watched writes until ctx is done, and tells how far it is.
type watched struct {
	ctx      context.Context
	w        io.Writer
	n, total int64
	show     func(done, total int64)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, fmt.Errorf("given up: %w", context.Cause(w.ctx))
	}
	n, err := w.w.Write(b)
	w.n += int64(n)
	w.show(w.n, max(w.n, w.total))
	return n, err
}
