package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/smallstep/certificates/policy"
)

// parseDNSRule refuses what the engine would refuse later, or take for more than
// its author meant.
func parseDNSRule(s string) (string, error) {
	sample := strings.ReplaceAll(s, placeholder, "x")
	if strings.Contains(strings.TrimPrefix(sample, "*."), "*") {
		return "", fmt.Errorf(`DNS rule %q: a * can only be the first label, as in "*.hospital.example"`, clip(s))
	}
	if _, err := DNSName(strings.TrimPrefix(sample, "*.")); err != nil {
		return "", fmt.Errorf("DNS rule %q: %w", clip(s), err)
	}
	if _, err := policy.New(policy.WithPermittedDNSDomains(sample)); err != nil {
		return "", fmt.Errorf("DNS rule %q: %w", clip(s), err)
	}
	return s, nil
}

// parseNetwork takes a network, or an address as the network of itself.
func parseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" && !addr.Is4In6() {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	switch {
	case err != nil || prefix.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf(`%q is not a network such as "10.0.0.0/8" or "fd00::/8"`, clip(s))
	case prefix != prefix.Masked():
		return netip.Prefix{}, fmt.Errorf("network %s has bits set after its length; is it %s?", prefix, prefix.Masked())
	}
	return prefix, nil
}

func parseUsage(s string) (Usage, error) {
	switch u := Usage(s); u {
	case UsageClient, UsageServer:
		return u, nil
	}
	return "", fmt.Errorf(`unknown usage %q; there are "client" and "server"`, clip(s))
}

// span takes what time.ParseDuration takes, and whole days ("30d"), within bounds.
func span(key string, least, most time.Duration) func(string) (time.Duration, error) {
	return func(s string) (d time.Duration, err error) {
		if days, ok := strings.CutSuffix(s, "d"); ok {
			var n uint64
			n, err = strconv.ParseUint(days, 10, 16) // 65,535 days do not overflow
			d = time.Duration(n) * day
		} else {
			d, err = time.ParseDuration(s)
		}
		switch {
		case err != nil:
			return 0, fmt.Errorf(`%q is not a duration such as "90m", "24h" or "30d"`, clip(s))
		case d < least || d > most:
			return 0, fmt.Errorf("%s %s is out of bounds: from %s to %s", key, s, inDays(least), inDays(most))
		case d%time.Second != 0:
			return 0, fmt.Errorf("%s %s is not a whole number of seconds", key, s)
		}
		return d, nil
	}
}

// orNever is span up to ten years, or nothing and "0s" for never.
func orNever(key string, least time.Duration) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		if _, err := span(key, 0, 0)(s); s == "" || err == nil {
			return 0, nil
		}
		return span(key, least, maxPeriod)(s)
	}
}

// inDays writes a duration as people write it in a policy.
func inDays(d time.Duration) string {
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

func parseKeyKind(s string) (string, error) {
	bits, rsa := rsaBits(s)
	switch {
	case s == "P-256", s == "P-384", s == "Ed25519":
		return s, nil
	case rsa && bits >= minRSABits && bits <= maxRSABits:
		return s, nil
	}
	return "", fmt.Errorf(`unknown kind of key %q; there are "P-256", "P-384", "Ed25519", and "RSA-%d" to "RSA-%d"`,
		clip(s), minRSABits, maxRSABits)
}

// rsaBits returns n of "RSA-n".
func rsaBits(kind string) (int, bool) {
	s, ok := strings.CutPrefix(kind, "RSA-")
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), ok && err == nil
}

func parseMethod(s string) (Method, error) {
	switch m := Method(s); m {
	case MethodToken, MethodRenew, MethodACME, MethodBirth, MethodTPM, MethodApproval:
		return m, nil
	}
	return "", fmt.Errorf(`unknown method %q; there are "token", "renew", "acme", "birth", "tpm" and "approval"`, clip(s))
}

func parseRekey(s string) (bool, error) {
	switch s {
	case "required", "optional":
		return s == "required", nil
	}
	return false, fmt.Errorf(`unknown rekey %q; there are "required" and "optional"`, clip(s))
}

func parseChannelBinding(s string) (bool, error) {
	switch s {
	case "required", "optional":
		return s == "required", nil
	}
	return false, fmt.Errorf(`unknown channel_binding %q; there are "required" and "optional"`, clip(s))
}

func parseOwner(s string) (bool, error) {
	switch s {
	case "required", "optional":
		return s == "required", nil
	}
	return false, fmt.Errorf(`unknown owner %q; there are "required" and "optional", whether each has to have one`, clip(s))
}

// roots returns what reads the roots of that kind.
func roots(kind string) func(string) ([]*x509.Certificate, error) {
	return func(s string) ([]*x509.Certificate, error) {
		roots, err := parseRoots(s)
		if err != nil {
			return nil, fmt.Errorf("%s roots: %w", kind, err)
		}
		return roots, nil
	}
}

// parseRoots reads certificates of authorities in PEM, and nothing beside them.
func parseRoots(s string) ([]*x509.Certificate, error) {
	var roots []*x509.Certificate
	for rest := bytes.TrimSpace([]byte(s)); len(rest) > 0 || len(roots) == 0; rest = bytes.TrimSpace(rest) {
		// Decode would pass over what it cannot read, and take a later block.
		if !bytes.HasPrefix(rest, []byte("-----BEGIN CERTIFICATE-----")) {
			return nil, errors.New("they are certificates in PEM, and nothing beside them")
		}
		block, after := pem.Decode(rest)
		if block == nil || bytes.Count(rest[:len(rest)-len(after)], []byte("-----BEGIN ")) != 1 {
			return nil, errors.New("a PEM block is damaged")
		}
		rest = after
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("a PEM block holds no certificate")
		}
		if !cert.BasicConstraintsValid || !cert.IsCA {
			return nil, fmt.Errorf("%q is not the certificate of an authority", clip(cert.Subject.String()))
		}
		roots = append(roots, cert)
	}
	return roots, nil
}

func parseFork(s string) (Fork, error) {
	switch f := Fork(s); f {
	case ForkAlarm, ForkRefuse:
		return f, nil
	}
	return "", fmt.Errorf(`unknown fork %q; there are "alarm" and "refuse"`, clip(s))
}
