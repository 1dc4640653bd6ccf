package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// serveOps answers as the ops listener of a daemon that is ill in every way, of the CA with
// that root.
func serveOps(t *testing.T, l net.Listener, root *x509.Certificate, socket, troubles string) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, troubles+"\n")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		now := time.Now().Unix()
		fmt.Fprintf(w, `betonica_ready 0
betonica_trouble{trouble="disk-full"} 1
betonica_build_info{version="v0.0.1"} 1
betonica_clock_drift_seconds -600
process_max_fds 1024
betonica_crl_heartbeat_seconds 10
betonica_crl_lifetime_seconds 86400
betonica_crl_age_seconds{issuer="0123abcdef",kind="delta"} 200
betonica_crl_age_seconds{issuer="0123abcdef",kind="full"} 90000
betonica_crl_next_update_timestamp_seconds{issuer="0123abcdef",kind="delta"} %d
betonica_crl_next_update_timestamp_seconds{issuer="0123abcdef",kind="full"} %d
betonica_listener_info{listener="socket",address=%q} 1
betonica_certificate_not_after_timestamp_seconds{certificate="root",issuer="%x"} %d
betonica_certificate_not_before_timestamp_seconds{certificate="daemon",issuer="0123abcdef"} %d
betonica_certificate_not_after_timestamp_seconds{certificate="daemon",issuer="0123abcdef"} %d
`, now+3600, now-1, socket, root.SubjectKeyId, now+86400, now-86400, now-1)
	})
	s := &http.Server{Handler: mux}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
}
