package ca_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// A request follows on a certificate if it has all of its names and no other ones,
// whatever their order.
func TestSameNames(t *testing.T) {
	id := &url.URL{Scheme: "spiffe", Host: "hospital.example", Path: "/device/SN-1"}
	subject := pkix.Name{Organization: []string{"hospital.example"}, OrganizationalUnit: []string{"device"}, CommonName: "SN-1"}
	full := func(change func(*x509.CertificateRequest)) x509.CertificateRequest {
		r := x509.CertificateRequest{
			Subject: subject, URIs: []*url.URL{id},
			DNSNames: []string{"b.example", "a.example"}, IPAddresses: []net.IP{{10, 0, 0, 2}, {10, 0, 0, 1}},
		}
		change(&r)
		return r
	}
	cert := &x509.Certificate{
		URIs: []*url.URL{id}, DNSNames: []string{"a.example", "b.example"},
		IPAddresses: []net.IP{net.ParseIP("10.0.0.1"), net.ParseIP("10.0.0.2")},
	}
	sequence := subject.ToRDNSequence()
	cert.Subject.FillFromRDNSequence(&sequence)
	for name, tt := range map[string]struct {
		change func(*x509.CertificateRequest)
		want   bool
	}{
		"the same":     {func(*x509.CertificateRequest) {}, true},
		"no subject":   {func(r *x509.CertificateRequest) { r.Subject = pkix.Name{} }, false},
		"another name": {func(r *x509.CertificateRequest) { r.Subject.CommonName = "SN-2" }, false},
		"another role": {func(r *x509.CertificateRequest) { r.Subject.OrganizationalUnit = []string{"admin"} }, false},
		"one more":     {func(r *x509.CertificateRequest) { r.Subject.Country = []string{"CH"} }, false},
		"no URI":       {func(r *x509.CertificateRequest) { r.URIs = nil }, false},
		"another identity": {func(r *x509.CertificateRequest) {
			r.URIs = []*url.URL{{Scheme: "spiffe", Host: "hospital.example", Path: "/device/SN-2"}}
		}, false},
		"a DNS name less":   {func(r *x509.CertificateRequest) { r.DNSNames = r.DNSNames[:1] }, false},
		"a DNS name more":   {func(r *x509.CertificateRequest) { r.DNSNames = append(r.DNSNames, "c.example") }, false},
		"an address less":   {func(r *x509.CertificateRequest) { r.IPAddresses = r.IPAddresses[:1] }, false},
		"an address more":   {func(r *x509.CertificateRequest) { r.IPAddresses = append(r.IPAddresses, net.IP{10, 0, 0, 3}) }, false},
		"another one there": {func(r *x509.CertificateRequest) { r.IPAddresses[0] = net.IP{10, 0, 0, 9} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, newRequest(t, p256Key(), full(tt.change)).SameNames(cert))
		})
	}
}
