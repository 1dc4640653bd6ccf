package guard

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/betonica/betonica/ca/strict"
)

// maxFile bounds a configuration, in bytes.
const maxFile = 1 << 20

// ReadFile reads a configuration file, strictly: a key that is not known, or a value
// that cannot be used, is an error that names file, line and column. A relative path
// begins in the file's folder.
func ReadFile(file string) (Config, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return Config{}, err
	}
	if info, err := os.Stat(file); err == nil && info.Size() > maxFile {
		return Config{}, errors.New(file + " is longer than 1 MiB")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return Config{}, err
	}
	return parse(file, text)
}

func parse(file string, text []byte) (Config, error) {
	var c Config
	if err := strict.Decode(file, text, &c); err != nil {
		return Config{}, err
	}
	folder := filepath.Dir(file)
	for _, path := range []*string{&c.Dir, &c.State, &c.Journal.Dir, &c.Journal.KeyFile, &c.Rules, &c.Agent.TokenFile} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(folder, *path)
		}
	}
	for i := range c.Routes {
		c.Routes[i].Listen = below(folder, "unix:", c.Routes[i].Listen)
		if scheme, _, ok := strings.Cut(c.Routes[i].Backend, "+unix:"); ok {
			c.Routes[i].Backend = below(folder, scheme+"+unix:", c.Routes[i].Backend)
		}
	}
	c.Ops = below(folder, "unix:", c.Ops)
	_, err := c.normal()
	if wrong, ok := errors.AsType[*invalidError](err); ok {
		return Config{}, strict.At(file, text, wrong, wrong.path...)
	}
	return c, err
}

// below makes the path behind a prefix absolute.
func below(folder, prefix, text string) string {
	path, ok := strings.CutPrefix(text, prefix)
	if !ok || path == "" || filepath.IsAbs(path) {
		return text
	}
	return prefix + filepath.Join(folder, path)
}
