package server

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
	"github.com/betonica/betonica/revoke/allow/signed"
)

const (
	rulesLife    = 24 * time.Hour // of a signed statement; a guard says whether it goes on after that
	rulesRefresh = time.Hour      // how often one is signed anew for a guard that asks
	maxRulesWait = 30 * time.Second
	maxWaiting   = 8192 // guards at a time; one more is answered at once
)

// guardRules answers GET /v1/guard/rules: what may be reached through the guard that
// presents the certificate, signed, by the policy in force. A request that names the
// answer that it has (If-None-Match) waits for another one as long as it prefers, at
// most 30 s, and gets 304 if none came (Prefer: wait=SECONDS; RFC 7240, Section 4.3).
func (s *Server) guardRules(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), preferredWait(r))
	defer cancel()
	if s.waiting.Add(1) > maxWaiting {
		cancel()
	}
	defer s.waiting.Add(-1)
	for {
		changed := s.Registrar.Policies.Changed()
		statement, tag, err := s.rulesFor(r)
		if err != nil {
			return err
		}
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") != tag {
			return s.writeRules(w, statement)
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
		case <-s.ending:
		}
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
}

// rulesFor says what the caller is to be told now, and what it would be called.
func (s *Server) rulesFor(r *http.Request) (signed.Statement, string, error) {
	var presented *x509.Certificate
	if len(r.TLS.PeerCertificates) > 0 {
		presented = r.TLS.PeerCertificates[0]
	}
	holder, err := s.Registrar.Holder(r.Context(), presented, api.Source(r))
	if err != nil {
		return signed.Statement{}, "", err
	}
	id := holder.Applicant.ID
	guard, err := allow.ParseID(id.String())
	if err != nil {
		return signed.Statement{}, "", err
	}
	policy := s.Registrar.Policies.Current()
	var text []byte
	for _, rule := range policy.GuardRules(id) {
		text = rulefile.Append(text, rule, id.TrustDomain())
	}
	now := s.Certificate.Now().Truncate(time.Second)
	digest := sha256.Sum256(text)
	tag := fmt.Sprintf(`"%d-%d-%s"`, policy.Version(), now.Unix()/int64(rulesRefresh.Seconds()), base64.RawURLEncoding.EncodeToString(digest[:12]))
	return signed.Statement{Guard: guard, Version: policy.Version(), Issued: now, Expires: now.Add(rulesLife), Rules: string(text)}, tag, nil
}

func (s *Server) writeRules(w http.ResponseWriter, statement signed.Statement) error {
	own, err := s.Certificate.Current()
	if err != nil {
		return err
	}
	text, err := signed.Sign(statement, own)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", api.MediaJOSE)
	w.Write(text) // if the caller is gone, so be it
	return nil
}

// preferredWait reads Prefer: wait=SECONDS; 0 without it.
func preferredWait(r *http.Request) time.Duration {
	for _, preference := range strings.Split(r.Header.Get("Prefer"), ",") {
		text, ok := strings.CutPrefix(strings.TrimSpace(preference), "wait=")
		if n, err := strconv.ParseUint(text, 10, 16); ok && err == nil {
			return min(time.Duration(n)*time.Second, maxRulesWait)
		}
	}
	return 0
}
