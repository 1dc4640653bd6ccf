package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/backup"
)

// dumpName is where a dump waits for its database.
const dumpName = "betonica.dump"

// spool writes a part into the stage. It counts once the whole backup was read.
func spool(ctx context.Context, s stage, p backup.Part, content io.Reader, said *progressLine) error {
	path := filepath.Join(s.tmp, dumpName)
	if name, ok := strings.CutPrefix(p.Name, backup.FilePrefix); ok {
		path = filepath.Join(string(s.layout()), filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(&watched{ctx: ctx, w: f, show: said.show("reading " + p.Name), total: p.Size}, content)
	return errors.Join(err, f.Sync(), f.Close())
}

// place makes a store of what was spooled, which says of itself that it was restored,
// and has the configuration name it.
func (r restoring) place(ctx context.Context, s stage, m backup.Manifest) error {
	from := fmt.Sprintf("%s of %s", filepath.Base(r.file), m.At.Format("2006-01-02T15:04:05Z07:00"))
	dump := filepath.Join(s.tmp, dumpName)
	if err := r.nameStore(s); err != nil {
		return err
	}
	if m.Engine == "sqlite" {
		if err := os.Rename(dump, s.layout().database()); err != nil {
			return err
		}
		return store.RestoreFile(ctx, s.layout().database(), from)
	}
	return store.RestoreDump(ctx, r.dsn, dump, from)
}

// nameStore has the configuration name the store that is being made: without a data
// source, a file in its folder.
func (r restoring) nameStore(s stage) error {
	text, err := os.ReadFile(s.layout().config())
	if err != nil {
		return fmt.Errorf("the backup holds no configuration: %w", err)
	}
	had, err := server.DSN(text)
	if err != nil {
		return err
	}
	want := r.dsn
	if want == "" {
		want = "sqlite:" + filepath.Base(s.layout().database())
	}
	if had == want || had == "" && r.dsn == "" {
		return nil
	}
	if text, err = server.SetDSN(text, want); err != nil {
		return err
	}
	return replaceFile(s.layout().config(), text)
}
