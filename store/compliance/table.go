package compliance

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/pelletier/go-toml/v2"
)

//go:embed checks.toml
var checksFile []byte

// Current is the profile that is law.
const Current = "hipaa-current"

// A Table is all checks and profiles.
type Table struct {
	Version  int // rises with every change of a check
	Digest   string
	Checks   []Check
	Profiles map[string]Profile
}

// Checks returns the table that this program was built with. It is not to be changed.
func Checks() *Table { return table() }

var table = sync.OnceValue(func() *Table {
	t, err := parse(checksFile)
	if err != nil {
		panic(err) // it is of this package, and a test reads it
	}
	return t
})

func parse(text []byte) (*Table, error) {
	var file struct {
		Version int                `toml:"version"`
		Profile map[string]Profile `toml:"profile"`
		Check   []Check            `toml:"check"`
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&file); err != nil {
		return nil, fmt.Errorf("compliance: reading the checks: %w", err)
	}
	sum := sha256.Sum256(text)
	t := &Table{Version: file.Version, Digest: hex.EncodeToString(sum[:]), Checks: file.Check, Profiles: file.Profile}
	for name, p := range t.Profiles {
		p.Name = name
		t.Profiles[name] = p
	}
	return t, nil
}

// Profile returns the profile of a name; empty stands for [Current]. The error is a
// [*UnknownProfileError].
func (t *Table) Profile(name string) (Profile, error) {
	if name == "" {
		name = Current
	}
	p, ok := t.Profiles[name]
	if !ok {
		return Profile{}, &UnknownProfileError{Name: name, Known: slices.Sorted(maps.Keys(t.Profiles))}
	}
	return p, nil
}

// An UnknownProfileError reports a profile that there is not.
type UnknownProfileError struct {
	Name  string
	Known []string
}

func (e *UnknownProfileError) Error() string {
	return fmt.Sprintf("there is no profile %.40q; known are %q", e.Name, e.Known)
}

// Check returns the check of an ID, and whether there is one.
func (t *Table) Check(id string) (Check, bool) {
	i := slices.IndexFunc(t.Checks, func(c Check) bool { return c.ID == id })
	if i < 0 {
		return Check{}, false
	}
	return t.Checks[i], true
}
