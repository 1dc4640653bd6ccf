package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/betonica/betonica/ca/keys"
)

// maxCAs bounds a file of authorities, in bytes: the system's own has some 200 KiB.
const maxCAs = 4 << 20

// TLS says how a receiver is known, and how it knows us. The zero TLS trusts the system's
// authorities and shows no certificate.
type TLS struct {
	// CAFile has the authorities that the receiver's certificate may be of, in PEM; no
	// others count then. Empty: the system's.
	CAFile string
	// ServerName is the DNS name or IP address that the receiver's certificate must be
	// for. Empty: the host that is dialled.
	ServerName string
	// CertFile has the certificate that we show, with its chain, and KeyFile its private
	// key, both in PEM; they may be one file. Not everybody may be able to read KeyFile.
	// Neither: we show none.
	CertFile, KeyFile string
	// MinVersion is the oldest version that will do, as crypto/tls names it. 0: TLS 1.3.
	// TLS 1.2 is the oldest that may be asked for, with forward secrecy and AEAD alone
	// (RFC 9325, Section 4.2).
	MinVersion uint16
}

// Config reads the files and returns what to connect to host with.
func (t TLS) Config(host string) (*tls.Config, error) {
	c := &tls.Config{
		ServerName: host,
		MinVersion: max(t.MinVersion, tls.VersionTLS12),
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
	if t.ServerName != "" {
		c.ServerName = t.ServerName
	}
	if t.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS13
	}
	if t.CAFile != "" {
		var err error
		if c.RootCAs, err = readCAs(t.CAFile); err != nil {
			return nil, err
		}
	}
	if t.CertFile == "" && t.KeyFile == "" {
		return c, nil
	}
	cert, err := t.certificate()
	if err != nil {
		return nil, err
	}
	// Not Certificates: of those crypto/tls shows none that the receiver's list of
	// authorities does not name, and the receiver would only say that there was none.
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	return c, nil
}

func readCAs(file string) (*x509.CertPool, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCAs+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxCAs {
		return nil, fmt.Errorf("%s is longer than %d bytes", file, maxCAs)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM", file)
	}
	return pool, nil
}

// certificate reads ours. One that is out of date is an error: receivers only say that they
// do not like it.
func (t TLS) certificate() (*tls.Certificate, error) {
	if t.CertFile == "" || t.KeyFile == "" {
		return nil, errors.New("a certificate file and a key file go together")
	}
	certs, err := os.ReadFile(t.CertFile)
	if err != nil {
		return nil, err
	}
	key, err := keys.ReadFile(t.KeyFile)
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(certs, key)
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", t.CertFile, t.KeyFile, err)
	}
	now := time.Now()
	if now.After(cert.Leaf.NotAfter) {
		return nil, fmt.Errorf("%s is a certificate that has expired, at %s", t.CertFile, cert.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if now.Before(cert.Leaf.NotBefore) {
		return nil, fmt.Errorf("%s is a certificate that is not valid before %s", t.CertFile, cert.Leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return &cert, nil
}
