package rulefile

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/betonica/betonica/ca/strict"
	"github.com/betonica/betonica/revoke/allow"
)

// MaxSize is the size of the largest rule file, in bytes.
const MaxSize = 1 << 20

// A File is a file of rules.
type File struct {
	Rules allow.Set

	// Observe says that what no rule allows is let through, and recorded. It may be
	// said for the whole file; a guard's own configuration may say it for a route.
	Observe bool
}

// shape is a file as it is written.
type shape struct {
	Observe bool    `toml:"observe"`
	Allow   []Table `toml:"allow"`
}

// Parse reads a file of rules, which hold in a trust domain. What is wrong in it comes
// back as joined [*strict.Error]: each begins with name:line:column. A file without
// rules allows nothing, and is none of its author's intentions: it is an error, unless
// it says observe.
func Parse(name string, text []byte, trustDomain string) (*File, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%s: longer than %d bytes", name, MaxSize)
	}
	var s shape
	if err := strict.Decode(name, text, &s); err != nil {
		return nil, err
	}
	if len(s.Allow) == 0 && !s.Observe {
		return nil, strict.At(name, text, errors.New("no [[allow]]: such a file allows nobody anything"))
	}
	set, err := Rules(name, text, s.Allow, trustDomain)
	if err != nil {
		return nil, err
	}
	return &File{Rules: set, Observe: s.Observe}, nil
}

// policyShape is a policy of the CA's, so far as rules go.
type policyShape struct {
	Role  map[string]any `toml:"role"`
	Allow []struct {
		Table
		Guards []string `toml:"guards"`
	} `toml:"allow"`
}

// ParsePolicy reads the rules of all guards from the CA's policy, which it takes to be
// one: package ca judges the rest. A policy without rules is no error.
func ParsePolicy(name string, text []byte, trustDomain string) (*File, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%s: longer than %d bytes", name, MaxSize)
	}
	var s policyShape
	if err := strict.Decode(name, text, &s); err != nil {
		return nil, err
	}
	tables := make([]Table, len(s.Allow))
	for i, t := range s.Allow {
		tables[i] = t.Table
	}
	set, err := Rules(name, text, tables, trustDomain)
	if err != nil {
		return nil, err
	}
	return &File{Rules: set}, nil
}

// Read parses the file at a path.
func Read(path, trustDomain string) (*File, error) {
	text, err := readText(path)
	if err != nil {
		return nil, fmt.Errorf("reading the rules: %w", err)
	}
	return Parse(path, text, trustDomain)
}

func readText(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxSize+1))
}
