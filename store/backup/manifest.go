package backup

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Format is the version of the form that this package writes, and the only one that
// it reads.
const Format = 1

// Names of parts. What lies in the CA's folder has FilePrefix before its path.
const (
	manifestName = "manifest.json"
	digestName   = "manifest.sha256"
	DatabaseName = "database"
	FilePrefix   = "files/"
)

// Bounds of a backup that [Read] takes.
const (
	maxManifest = 1 << 20 // bytes
	maxParts    = 4096
	MaxFile     = 16 << 20 // bytes of a file of the folder; the database has no bound
	maxName     = 90       // a longer one would need another form of tar's headers
)

// ErrFormat reports a backup of a version that this package does not read.
var ErrFormat = errors.New("the backup is of another version")

// A DamagedError reports a backup that is not what somebody wrote: cut off, with bits
// turned, or made to harm.
type DamagedError struct{ Reason string }

func (e *DamagedError) Error() string { return "the backup is damaged: " + e.Reason }

func damaged(format string, args ...any) error { return &DamagedError{fmt.Sprintf(format, args...)} }

// A Manifest says what a backup is of.
type Manifest struct {
	Format  int       `json:"format"`
	At      time.Time `json:"at"`      // of the moment that the database is of
	Program string    `json:"program"` // version of who made it

	TrustDomain string `json:"trust_domain"`
	Engine      string `json:"engine"` // "sqlite" or "postgres"
	Schema      int    `json:"schema"`
	Incarnation string `json:"incarnation"` // the store's name

	Entries    int64     `json:"entries"`           // of the audit log
	Root       string    `json:"root"`              // over them, base64
	Newest     time.Time `json:"newest"`            // when the last of them was made
	Checkpoint string    `json:"checkpoint"`        // the newest signed one; empty: none
	CRLNumber  int64     `json:"newest_crl_number"` // the greatest that was taken or reserved

	Parts []Part `json:"parts"` // in their order; the first is the database
}

// A Part is one file of a backup.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// segment is one name in a path. It begins with no dot, so that none hides, and no
// path climbs.
var segment = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// FileName says whether a file of the folder can be in a backup under this path, which
// is relative and has slashes.
func FileName(path string) bool {
	segments := strings.Split(path, "/")
	for _, s := range segments {
		if !segment.MatchString(s) {
			return false
		}
	}
	return len(segments) <= 3 && len(FilePrefix)+len(path) <= maxName
}

// check says what is wrong with a manifest, or nil.
func (m *Manifest) check() error {
	if m.Engine != "sqlite" && m.Engine != "postgres" {
		return damaged("its engine is %.20q", m.Engine)
	}
	if len(m.Parts) == 0 || len(m.Parts) > maxParts || m.Parts[0].Name != DatabaseName {
		return damaged("it does not begin with a database, or has too many parts")
	}
	seen := map[string]bool{}
	for i, p := range m.Parts {
		path, isFile := strings.CutPrefix(p.Name, FilePrefix)
		sum, err := hex.DecodeString(p.SHA256)
		switch {
		case i > 0 && (!isFile || !FileName(path)):
			return damaged("%.100q is no name of a part", p.Name)
		case seen[strings.ToLower(p.Name)]:
			return damaged("%q is there twice", p.Name)
		case p.Size < 0 || i > 0 && p.Size > MaxFile:
			return damaged("%q has a size of %d", p.Name, p.Size)
		case err != nil || len(sum) != 32:
			return damaged("%q has no digest", p.Name)
		}
		seen[strings.ToLower(p.Name)] = true
	}
	return nil
}

// decode reads a manifest, its version before all else.
func decode(text []byte) (Manifest, error) {
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return Manifest{}, damaged("its manifest is no JSON")
	}
	if version.Format != Format {
		return Manifest{}, fmt.Errorf("%w: %d, this program reads %d", ErrFormat, version.Format, Format)
	}
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, damaged("its manifest: %.100s", err)
	}
	return m, m.check()
}
