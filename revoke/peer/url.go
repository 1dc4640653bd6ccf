package peer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// normalURLs fills in the addresses that are left out, and checks the others.
func (c *Config) normalURLs() (err error) {
	if c.URL == "" {
		if c.URL, err = distributionPoint(c.Source.Certificate()); err != nil {
			return err
		}
	}
	if c.URL, err = baseURL(c.URL, "http", "https"); err != nil {
		return err
	}
	c.Relays = append([]string(nil), c.Relays...)
	for i := range c.Relays {
		if c.Relays[i], err = baseURL(c.Relays[i], "http", "https"); err != nil {
			return err
		}
	}
	if c.OCSP == "" {
		c.OCSP = c.URL + "/ocsp"
	} else if c.OCSP, err = baseURL(c.OCSP, "http", "https"); err != nil {
		return err
	}
	if c.Report != "" {
		c.Report, err = baseURL(c.Report, "https")
	}
	return err
}

// bases are all addresses that have lists, in the order in which they are tried.
func (c *Config) bases() []string { return append(c.Relays[:len(c.Relays):len(c.Relays)], c.URL) }

// baseURL checks an address, and takes the slash off its end.
func baseURL(text string, schemes ...string) (string, error) {
	u, err := url.Parse(text)
	if err == nil && u.Host != "" && u.RawQuery == "" && u.Fragment == "" {
		for _, s := range schemes {
			if u.Scheme == s {
				return strings.TrimSuffix(text, "/"), nil
			}
		}
	}
	return "", fmt.Errorf("URL %q is not of the form %s://HOST[:PORT]", text, schemes[0])
}

// distributionPoint returns the base of the URL at which the certificate says that
// its issuer's list is.
func distributionPoint(cert *tls.Certificate) (string, error) {
	leaf, err := leafOf(cert)
	if err != nil {
		return "", err
	}
	for _, point := range leaf.CRLDistributionPoints {
		if base, _, ok := strings.Cut(point, "/crl/"); ok {
			return base, nil
		}
	}
	return "", errors.New("the machine's certificate names no CRL distribution point of ours: set URL")
}

func leafOf(cert *tls.Certificate) (*x509.Certificate, error) {
	if cert == nil || len(cert.Certificate) == 0 {
		return nil, errors.New("the machine has no certificate")
	}
	if cert.Leaf != nil {
		return cert.Leaf, nil
	}
	return x509.ParseCertificate(cert.Certificate[0])
}
