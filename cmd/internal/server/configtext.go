package server

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"text/template"
)

//go:embed betonica.toml
var configText string

// A Beginning is what the configuration of a new folder says. Fields that are empty
// stay at their defaults.
type Beginning struct {
	Names          []Name
	Replica        string
	URL            string // of the HTTP listener
	DSN            string
	Key            string
	PassphraseFile string
}

// Text returns the configuration, with a comment to every key; one that stays at its
// default is a comment, too. An error means that a value has no place in a
// configuration.
func (b Beginning) Text() ([]byte, error) {
	quoted := make([]string, len(b.Names))
	for i, n := range b.Names {
		quoted[i] = quote(n.String())
	}
	var text bytes.Buffer
	err := template.Must(template.New("").Parse(configText)).Execute(&text, map[string]any{
		"Names": quoted, "Replica": quote(b.Replica), "URL": quote(b.URL), "DSN": quote(b.DSN), "Key": quote(b.Key), "PassphraseFile": quote(b.PassphraseFile),
	})
	if err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	if _, err := parseConfig(ConfigFile, text.Bytes()); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// quote writes a basic string of TOML, which a string of JSON is; "" for none.
func quote(s string) string {
	if s == "" {
		return ""
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(text)
}
