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

// ConfigText returns the configuration that a new CA starts with, a comment to
// every key; a key that is left empty stays at its default, and so a comment. An
// error means that a value has no place in a configuration.
func ConfigText(names []Name, url, dsn, passphraseFile string) ([]byte, error) {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n.String())
	}
	var text bytes.Buffer
	err := template.Must(template.New("").Parse(configText)).Execute(&text, map[string]any{
		"Names": quoted, "URL": quote(url), "DSN": quote(dsn), "PassphraseFile": quote(passphraseFile),
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
