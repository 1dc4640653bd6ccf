package bundle

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Config says what to keep where.
type Config struct {
	// Path is the file, in a directory that exists. Required.
	Path string

	// Machine returns the certificates of the machine, leaf first, and its trust
	// anchors. It is called now and then, so that both may change. Required.
	Machine func() (chain, roots []*x509.Certificate)

	// URL is the base of the CA's HTTP listener, "http://ca.hospital.example:8080", or
	// that of a relay. Default: what the leaf's CRL distribution point says, which is
	// also asked when URL fails, or has no full list as new as the deltas: a relay
	// fetches those seldom.
	URL string

	// Changed is called after the file was replaced, and once when it is first known
	// to be right, since nobody knows whether a server read it before. It must not
	// block.
	Changed func()

	// Log gets what an operator should know; nil: nowhere.
	Log *slog.Logger

	// HTTP fetches lists, which are signed, so that plain HTTP is safe. Default: one
	// of its own, without proxy.
	HTTP *http.Client

	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// normal returns the configuration with its defaults.
func (c Config) normal() (Config, error) {
	if c.Path == "" || c.Machine == nil {
		return c, errors.New("bundle: Path and Machine are required")
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

var errNoURL = errors.New("the machine's certificate names no CRL distribution point of a Betonica CA")

// base returns where the lists are, for the n-th time that is tried.
func (c *Config) base(n int) (string, error) {
	var all []string
	if c.URL != "" {
		all = append(all, strings.TrimSuffix(c.URL, "/"))
	}
	if chain, _ := c.Machine(); len(chain) > 0 {
		for _, point := range chain[0].CRLDistributionPoints {
			if base, _, ok := strings.Cut(point, "/crl/"); ok && !slices.Contains(all, base) {
				all = append(all, base)
			}
		}
	}
	if len(all) == 0 {
		return "", errNoURL
	}
	return all[n%len(all)], nil
}
