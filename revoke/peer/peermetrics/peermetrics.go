// Package peermetrics shows Prometheus what a peer.Peer knows and does. It reads,
// each time that it is asked, what the Peer counts anyway: it slows nothing down, and
// alarms nobody. It is a package of its own so that package peer links no more than
// the standard library.
package peermetrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/betonica/betonica/revoke/peer"
)

// A collector is a prometheus.Collector of one Peer.
type collector struct{ peer *peer.Peer }

// New returns a collector, to be registered with a registry of the caller's:
//
//	betonica_peer_crl_number{issuer}                 CRL number in force
//	betonica_peer_crl_this_update_seconds{issuer}    when that list was made, Unix time
//	betonica_peer_crl_next_update_seconds{issuer}    until when it is good, Unix time
//	betonica_peer_crl_enforced_seconds{issuer}       when it came into force here, Unix time
//	betonica_peer_crl_usable{issuer}                 1: the list decides; 0: it is too old, OCSP does
//	betonica_peer_connections                        open, whose other end was let in
//	betonica_peer_refused_total                      connections refused
//	betonica_peer_cut_total                          open connections that were closed
//	betonica_peer_lists_total{result}                lists taken, or bad
//	betonica_peer_silences_total                     streams that broke, or said nothing for three heartbeats
//	betonica_peer_ocsp_questions_total{result}       OCSP questions answered, or failed
//	betonica_peer_staples_total                      staples of others that were gone by
//	betonica_peer_reports_total{result}              reports to the CA sent, or failed
//
// The issuer is the hex of its key id, as in the URL of its list: there are 16 at
// most. The alarm to set is on betonica_peer_crl_usable being 0, and on a
// betonica_peer_crl_this_update_seconds that lies more than three heartbeats back.
func New(p *peer.Peer) prometheus.Collector { return collector{p} }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("betonica_peer_"+name, help, labels, nil)
}

var (
	number      = describe("crl_number", "CRL number in force.", "issuer")
	thisUpdate  = describe("crl_this_update_seconds", "When the list in force was made, in Unix time.", "issuer")
	nextUpdate  = describe("crl_next_update_seconds", "Until when the list in force is good, in Unix time.", "issuer")
	enforced    = describe("crl_enforced_seconds", "When the list came into force here, in Unix time.", "issuer")
	usable      = describe("crl_usable", "1 if the list decides, 0 if it is too old and OCSP does.", "issuer")
	connections = describe("connections", "Open connections whose other end was let in.")
	refused     = describe("refused_total", "Connections refused.")
	severed     = describe("cut_total", "Open connections that were closed.")
	lists       = describe("lists_total", "Lists taken, or not to be had or not taken.", "result")
	silences    = describe("silences_total", "Streams that broke, or had nothing new for three heartbeats.")
	questions   = describe("ocsp_questions_total", "OCSP questions answered, or failed.", "result")
	staples     = describe("staples_total", "Staples of others that were gone by.")
	reports     = describe("reports_total", "Reports to the CA sent, or failed.", "result")
)

func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		number, thisUpdate, nextUpdate, enforced, usable, connections, refused, severed, lists, silences, questions, staples, reports,
	} {
		to <- d
	}
}

func (c collector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for _, i := range c.peer.Issuers() {
		good := 0.0
		if i.Err == nil {
			good = 1
		}
		gauge(usable, good, i.ID)
		gauge(number, float64(i.Number), i.ID)
		if i.Number == 0 {
			continue
		}
		gauge(thisUpdate, float64(i.ThisUpdate.Unix()), i.ID)
		gauge(nextUpdate, float64(i.NextUpdate.Unix()), i.ID)
		gauge(enforced, float64(i.Since.UnixMilli())/1000, i.ID)
	}
	s := c.peer.Stats()
	gauge(connections, float64(s.Connections))
	count(refused, s.Refused)
	count(severed, s.Cut)
	count(lists, s.Lists, "taken")
	count(lists, s.BadLists, "bad")
	count(silences, s.Silences)
	count(questions, s.Asked-s.AskedFailed, "answered")
	count(questions, s.AskedFailed, "failed")
	count(staples, s.Staples)
	count(reports, s.Reports, "sent")
	count(reports, s.ReportFails, "failed")
}
