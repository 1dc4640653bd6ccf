package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"
)

// settings is what the environment and a file may say in place of a flag: where
// things are, but not what to do. So a name, a filter or a --replace cannot
// slip in from a shell's profile.
type settings struct {
	URL         string `toml:"url"`
	Dir         string `toml:"dir"`
	Out         string `toml:"out"`
	Socket      string `toml:"socket"`
	Output      string `toml:"output"`
	TokenFile   string `toml:"token-file"`
	Exec        string `toml:"exec"`
	ExecTimeout string `toml:"exec-timeout"`
	ListsURL    string `toml:"lists-url"`
}

func (s settings) byFlag() map[string]string {
	return map[string]string{
		"url": s.URL, "dir": s.Dir, "out": s.Out, "socket": s.Socket, "output": s.Output,
		"token-file": s.TokenFile, "exec": s.Exec, "exec-timeout": s.ExecTimeout,
		"lists-url": s.ListsURL,
	}
}

// origin is where a setting comes from, the stronger the greater.
type origin int

const (
	fromDefault origin = iota
	fromFile
	fromEnv
	fromFlag
)

// originKey is the annotation of a flag that says it was not the command line
// that set it.
const originKey = "origin"

// applySettings gives each flag that the command line leaves out the value of
// $BETONICA_<FLAG>, or else the file's.
func applySettings(flags *pflag.FlagSet, getenv func(string) string) error {
	path := flags.Lookup("config").Value.String()
	if path == "" {
		path = getenv("BETONICA_CONFIG")
	}
	file, err := readSettings(path)
	if err != nil {
		return err
	}
	for name, value := range file.byFlag() {
		f := flags.Lookup(name)
		if f == nil || f.Changed {
			continue
		}
		variable := "BETONICA_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		source, from := path, "file"
		if v := getenv(variable); v != "" {
			value, source, from = v, "$"+variable, "env"
		}
		if value == "" {
			continue
		}
		if err := flags.Set(name, value); err != nil {
			return usagef("%s: %s is %q: %v", source, name, value, err)
		}
		flags.SetAnnotation(name, originKey, []string{from})
	}
	return nil
}

// readSettings reads the settings file, strictly; no path, no settings.
func readSettings(path string) (settings, error) {
	var s settings
	if path == "" {
		return s, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer f.Close()
	err = toml.NewDecoder(f).DisallowUnknownFields().Decode(&s)
	if e, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		row, _ := e.Errors[0].Position()
		return s, usagef("%s:%d: unknown setting %q", path, row, strings.Join(e.Errors[0].Key(), "."))
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, column := e.Position()
		return s, usagef("%s:%d:%d: %v", path, row, column, e)
	}
	return s, err
}

// originOf says where a flag's value comes from.
func originOf(flags *pflag.FlagSet, name string) origin {
	f := flags.Lookup(name)
	switch {
	case f == nil || !f.Changed:
		return fromDefault
	case slices.Equal(f.Annotations[originKey], []string{"file"}):
		return fromFile
	case slices.Equal(f.Annotations[originKey], []string{"env"}):
		return fromEnv
	}
	return fromFlag
}
