package server

import (
	"crypto/x509"
	"math"
	"mime"
	"net/http"
	"time"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/enforcement"
)

// pathEnforcement is where relying parties say what they enforce.
const pathEnforcement = "/v1/enforcement"

// An enforcementReport is the body of POST /v1/enforcement.
type enforcementReport struct {
	Issuer      string    `json:"issuer"` // its key identifier, in hex
	Number      int64     `json:"number"` // of the CRL
	EnforcedAt  time.Time `json:"enforced_at"`
	Connections int64     `json:"connections"`
	MaxAge      int64     `json:"max_age"` // seconds; none: it does not say
}

// enforcement answers POST /v1/enforcement: whoever presents the certificate says
// which CRL number it refuses by. A certificate that is void reports nothing.
func (s *Server) enforcement(w http.ResponseWriter, r *http.Request) error {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != api.MediaJSON {
		return &api.BadRequestError{Status: http.StatusUnsupportedMediaType, Detail: "the body has to be JSON (Content-Type: application/json)"}
	}
	var in enforcementReport
	if err := api.ReadJSON(w, r, &in); err != nil {
		return err
	}
	var presented *x509.Certificate
	if len(r.TLS.PeerCertificates) > 0 {
		presented = r.TLS.PeerCertificates[0]
	}
	from := api.Source(r)
	holder, err := s.Registrar.Holder(r.Context(), presented, from)
	if err != nil {
		return err
	}
	err = s.Enforcement.Report(r.Context(),
		enforcement.Reporter{Identity: holder.Identity.Path, Address: from, RequestID: enroll.RequestID(r.Context())},
		enforcement.Report{Issuer: in.Issuer, Number: in.Number, EnforcedAt: in.EnforcedAt, Connections: in.Connections, MaxAge: seconds(in.MaxAge)})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// seconds is n of them; what is beyond all reason stays so.
func seconds(n int64) time.Duration {
	return time.Duration(max(-1, min(n, math.MaxInt64/int64(time.Second)))) * time.Second
}
