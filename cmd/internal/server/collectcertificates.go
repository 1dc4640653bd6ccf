package server

import (
	"crypto/x509"
	"encoding/hex"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke"
)

// CollectCertificates adds how long each certificate of the CA lasts to the metrics:
// the root's, the intermediates', those of the OCSP responders and the daemon's own.
func (m *Metrics) CollectCertificates(issuers *ca.Issuers, r *revoke.Responder, own *Certificate) {
	m.registry.MustRegister(&certificateCollector{issuers, r, own})
}

type certificateCollector struct {
	issuers   *ca.Issuers
	responder *revoke.Responder
	own       *Certificate
}

// The issuer is who issued it, by key identifier in hex; of the root and the
// intermediates it is themselves, as in every other metric.
var (
	notBeforeDesc = desc("certificate_not_before_timestamp_seconds", "When a certificate of the CA's begins, in Unix time.", "certificate", "issuer")
	notAfterDesc  = desc("certificate_not_after_timestamp_seconds", "When a certificate of the CA's ends, in Unix time: root, intermediate, ocsp, root-ocsp, or the daemon's own.", "certificate", "issuer")
)

func (c *certificateCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, notBeforeDesc, notAfterDesc)
}

func (c *certificateCollector) Collect(to chan<- prometheus.Metric) {
	out := emitter(to)
	tell := func(kind string, id []byte, cert *x509.Certificate) {
		out.gauge(notBeforeDesc, float64(cert.NotBefore.Unix()), kind, hex.EncodeToString(id))
		out.gauge(notAfterDesc, float64(cert.NotAfter.Unix()), kind, hex.EncodeToString(id))
	}
	root := c.issuers.Root()
	tell("root", root.SubjectKeyId, root)
	for _, cert := range c.issuers.Certificates() {
		tell("intermediate", cert.SubjectKeyId, cert)
	}
	for _, cert := range c.responder.Certificates() {
		tell("ocsp", cert.AuthorityKeyId, cert)
	}
	voice := c.responder.Root.Responder()
	tell("root-ocsp", voice.AuthorityKeyId, voice)
	if own, err := c.own.Current(); err == nil {
		tell("daemon", own.Leaf.AuthorityKeyId, own.Leaf)
	}
}
