package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/backup"
)

// parts are what a backup holds: the copy of the store, and files of the folder.
type parts struct {
	copied *store.Copy
	files  map[string][]byte // by name of the part
}

// collectParts reads what a restore needs of the folder, and puts all parts into the
// manifest. No ceremony is held meanwhile, so that the files fit together; and they are
// read after the store, which never names an intermediate that they do not have.
func collectParts(d layout, c *server.Config, copied *store.Copy, m *backup.Manifest) (*parts, error) {
	unlock, err := lockCeremony(d.rosterLock())
	if err != nil {
		return nil, err
	}
	defer unlock()
	p := &parts{copied: copied, files: map[string][]byte{}}
	first, err := backup.Sum(backup.DatabaseName, copied.Bytes())
	if err != nil {
		return nil, err
	}
	m.Parts = append(m.Parts, first)
	names, err := filesToKeep(d, c)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(string(d), name))
		if err != nil {
			return nil, err
		}
		part, err := backup.Sum(backup.FilePrefix+filepath.ToSlash(name), bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		m.Parts = append(m.Parts, part)
		p.files[part.Name] = text
	}
	return p, nil
}

// filesToKeep names the files of the folder that go into a backup: configuration,
// policy, and what lies in keys/, but for locks, for what a ceremony left half-done,
// and for secrets that never belong there.
func filesToKeep(d layout, c *server.Config) ([]string, error) {
	if key, ok := strings.CutPrefix(c.CA.Key, "file:"); ok && !within(key, string(d)) {
		return nil, fmt.Errorf("the key %s does not lie in %s, so a backup of that could not be served: move it to %s, and set [ca] key", key, d, d.keys())
	}
	names := []string{filepath.Base(d.config()), filepath.Base(d.policy())}
	entries, err := os.ReadDir(d.keys())
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := filepath.Join(filepath.Base(d.keys()), e.Name())
		switch ext := filepath.Ext(e.Name()); {
		case ext == ".lock", ext == ".new", !e.Type().IsRegular():
			continue
		case e.Name() == "root.key", d.inKeys(e.Name()) == c.CA.PassphraseFile, strings.HasPrefix(e.Name(), "passphrase"):
			continue
		case !backup.FileName(filepath.ToSlash(name)):
			return nil, fmt.Errorf("%s has a name that a backup cannot hold: does it belong there?", filepath.Join(string(d), name))
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// open returns the bytes of a part.
func (p *parts) open(part backup.Part) (io.ReadCloser, error) {
	if part.Name == backup.DatabaseName {
		return io.NopCloser(p.copied.Bytes()), nil
	}
	text, ok := p.files[part.Name]
	if !ok {
		return nil, errors.New("no such part")
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

// noteBackup tells the daemon and doctor of the newest backup.
func noteBackup(d layout, b server.Backup) error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(string(d), server.BackupFile), append(text, '\n')); err != nil {
		return fmt.Errorf("the backup is made, but could not be noted: %w", err)
	}
	return nil
}
