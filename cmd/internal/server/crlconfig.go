package server

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CRLConfig is [crl]: what is revoked, and how relying parties learn it.
type CRLConfig struct {
	// Lifetime is how long a revocation list is good: how long relying parties go
	// on without us at most. From 1m to 720h; default "24h".
	Lifetime ListLifetime `toml:"lifetime"`

	// Heartbeat is how often a delta is signed and pushed when nothing happens.
	// From 100ms to 1h; default "10s". Relying parties expect it.
	Heartbeat ListHeartbeat `toml:"heartbeat"`

	// MaxBytes has new certificates point at lists that stay below so many bytes, one
	// of as many as that takes. From 4096 to 1 GiB; default 0: at the complete list.
	// What was once issued is served for as long as the issuer is.
	MaxBytes ListBytes `toml:"max_bytes"`

	// FreshestInCertificates has new certificates say where the newest delta is, as
	// the complete list does in any case. Default false.
	FreshestInCertificates bool `toml:"freshest_in_certificates"`

	// PublishDir is a directory that holds all lists and the CA's certificates under
	// the paths of their URLs, for a web server or a CDN. The one above it has to
	// exist. It must not be DIR, nor hold it: whoever serves it would serve the CA's
	// folder. Default: none.
	PublishDir string `toml:"publish_dir"`
}

// ListLifetime is from 1m to 720h.
type ListLifetime struct{ time.Duration }

// UnmarshalText takes what time.ParseDuration does.
func (d *ListLifetime) UnmarshalText(text []byte) (err error) {
	d.Duration, err = bounded("crl.lifetime", text, time.Minute, 720*time.Hour)
	return err
}

// ListHeartbeat is from 100ms to 1h.
type ListHeartbeat struct{ time.Duration }

// UnmarshalText takes what time.ParseDuration does.
func (d *ListHeartbeat) UnmarshalText(text []byte) (err error) {
	d.Duration, err = bounded("crl.heartbeat", text, 100*time.Millisecond, time.Hour)
	return err
}

func bounded(key string, text []byte, least, most time.Duration) (time.Duration, error) {
	var d Duration
	if err := d.UnmarshalText(text); err != nil {
		return 0, err
	}
	return d.Duration, d.within(key, 0, least, most)
}

// ListBytes is the size of a list in bytes, from 4096 to 1 GiB, or 0 for any.
type ListBytes struct{ N int }

// UnmarshalText takes a number.
func (b *ListBytes) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n != 0 && (n < 4096 || n > 1<<30) {
		return fmt.Errorf("crl.max_bytes is %s; it must be a size from 4096 to 1073741824 bytes, or 0 for any", text)
	}
	b.N = n
	return nil
}

// resolve fills in the defaults, and makes the path absolute.
func (c *CRLConfig) resolve(dir string) {
	if c.Lifetime.Duration == 0 {
		c.Lifetime.Duration = 24 * time.Hour
	}
	if c.Heartbeat.Duration == 0 {
		c.Heartbeat.Duration = 10 * time.Second
	}
	if c.PublishDir != "" {
		orPath(&c.PublishDir, dir, "")
		c.PublishDir = filepath.Clean(c.PublishDir)
	}
}

// check refuses to publish the CA's folder.
func (c *CRLConfig) check(file string, text []byte, dir string) error {
	if c.PublishDir == "" {
		return nil
	}
	if inside, err := filepath.Rel(c.PublishDir, dir); err == nil && inside != ".." && !strings.HasPrefix(inside, "../") {
		return fmt.Errorf("%s:%d:1: %w", file, lineOf(text, "publish_dir"), errPublishesCA)
	}
	return nil
}

var errPublishesCA = errors.New("publish_dir is the CA's own folder, or holds it: whoever serves it would serve that")

// lineOf returns the first line that sets a key, by its last part.
func lineOf(text []byte, key string) int {
	for i, line := range bytes.Split(text, []byte("\n")) {
		if rest, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte(key)); ok && bytes.HasPrefix(bytes.TrimSpace(rest), []byte("=")) {
			return i + 1
		}
	}
	return 1
}
