package admin

import (
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

func (a *Admin) listCertificates(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, page, err := listParameters(r, "identity", "live")
	if err != nil {
		return err
	}
	live, err := flag(q, "live")
	if err != nil {
		return err
	}
	records, next, err := a.Store.Certificates(r.Context(), store.CertificateFilter{Identity: q.Get("identity"), Live: live}, page)
	if err != nil {
		return err
	}
	return replyPage(w, records, next, func(c store.Certificate) (adminapi.Certificate, error) {
		return certificateOf(c)
	})
}

func (a *Admin) showCertificate(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	serial, err := store.ParseSerial(r.PathValue("serial"))
	if err != nil {
		return malformed("a serial has 32 hex digits")
	}
	record, err := a.Store.Certificate(r.Context(), serial)
	if err != nil {
		return found(err, "certificate "+serial.String())
	}
	revocation, err := a.Store.Revocation(r.Context(), serial)
	switch {
	case err == nil:
		record.Revocation = &revocation
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	out, err := certificateOf(record)
	if err != nil {
		return err
	}
	out.PEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: record.DER}))
	return reply(w, http.StatusOK, out)
}

// certificateOf reads from the certificate what is in it.
func certificateOf(c store.Certificate) (adminapi.Certificate, error) {
	dns, ips, err := c.AltNames()
	if err != nil {
		return adminapi.Certificate{}, err
	}
	out := adminapi.Certificate{
		Serial: c.Serial.String(), Identity: c.Identity, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		DNSNames: texts(dns), IPs: make([]string, 0, len(ips)), SPKI: hex.EncodeToString(c.SPKI[:]), Method: c.Method, Policy: c.Policy,
	}
	for _, ip := range ips {
		out.IPs = append(out.IPs, ip.String())
	}
	if c.Token != nil {
		out.Token = c.Token.String()
	}
	if c.Parent != nil {
		out.Parent = c.Parent.String()
	}
	if c.Revocation != nil {
		out.Revoked = &adminapi.Revocation{At: c.Revocation.At, Reason: reasonOf(c.Revocation.Reason)}
	}
	return out, nil
}

// reasonOf spells a CRLReason (RFC 5280, Section 5.3.1).
func reasonOf(code int) string {
	if name, ok := reasons[code]; ok {
		return name
	}
	return "unspecified"
}

var reasons = map[int]string{
	1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded", 5: "cessationOfOperation",
	9: "privilegeWithdrawn", 10: "aACompromise",
}
