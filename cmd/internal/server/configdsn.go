package server

import (
	"bytes"
	"fmt"
	"regexp"
)

var (
	tableHead = regexp.MustCompile(`(?m)^[ \t]*\[`)
	storeHead = regexp.MustCompile(`(?m)^[ \t]*\[[ \t]*store[ \t]*\][^\n]*\n?`)
	dsnLine   = regexp.MustCompile(`(?m)^[ \t]*dsn[ \t]*=[^\n]*$`)
)

// SetDSN returns a configuration that is text, comments and all, but for the store's
// data source. Text that says it in a way that is not found is an error.
func SetDSN(text []byte, dsn string) ([]byte, error) {
	line := []byte("dsn = " + quote(dsn))
	var out []byte
	if at := storeHead.FindIndex(text); at == nil {
		out = append(append(bytes.Clone(text), "\n[store]\n"...), append(line, '\n')...)
	} else {
		end := len(text)
		if next := tableHead.FindIndex(text[at[1]:]); next != nil {
			end = at[1] + next[0]
		}
		table := text[at[1]:end]
		if dsnLine.Match(table) {
			table = dsnLine.ReplaceAllLiteral(table, line)
		} else {
			table = append(append(bytes.Clone(line), '\n'), table...)
		}
		head := bytes.TrimSuffix(text[:at[1]], []byte("\n"))
		out = append(append(append(bytes.Clone(head), '\n'), table...), text[end:]...)
	}
	c, err := parseConfig(ConfigFile, out)
	if err != nil {
		return nil, err
	}
	if c.Store.DSN != dsn {
		return nil, fmt.Errorf("%s: [store] dsn is written in a way that could not be changed", ConfigFile)
	}
	return out, nil
}

// DSN returns the store's data source as the text of a configuration has it; empty: the
// default.
func DSN(text []byte) (string, error) {
	c, err := parseConfig(ConfigFile, text)
	if err != nil {
		return "", err
	}
	return c.Store.DSN, nil
}
