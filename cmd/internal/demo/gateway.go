package demo

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
)

// Paths at a gateway.
const (
	pathReading = "/reading" // POST: take one, and say from whom
	pathWatch   = "/watch"   // GET: an answer without an end
)

// gateway answers those that the machine's peer let in.
func (m *machine) gateway() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(pathReading, func(w http.ResponseWriter, r *http.Request) {
		leaf := r.TLS.PeerCertificates[0]
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(Seen{Client: leaf.URIs[0].String(), Serial: serial(leaf)})
	})
	mux.HandleFunc("GET "+pathWatch, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	return mux
}

// serial writes a serial number as the CA does: 16 octets in hex.
func serial(cert *x509.Certificate) string { return fmt.Sprintf("%032x", cert.SerialNumber) }
