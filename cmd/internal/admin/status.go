package admin

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store/alert"
)

func (a *Admin) status(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	counts, err := a.Store.Counts(r.Context())
	if err != nil {
		return err
	}
	key, err := a.Store.VerifierKey()
	if err != nil {
		return err
	}
	signed, err := a.checkpoint(r.Context())
	if err != nil {
		return err
	}
	parties, err := a.Enforcement.Summary(r.Context(), maxParties)
	if err != nil {
		return err
	}
	issuers, rotation, err := a.Issuance(r.Context())
	if err != nil {
		return err
	}
	replicas, err := a.replicas(r.Context())
	if err != nil {
		return err
	}
	survival, err := a.survival(r.Context(), time.Now())
	if err != nil {
		return err
	}
	alerts, err := a.Store.AlertCounts(r.Context())
	if err != nil {
		return err
	}
	deliveries, err := a.Deliveries(r.Context())
	if err != nil {
		return err
	}
	out := adminapi.Status{
		Version: a.Version, Started: a.Started, TrustDomain: a.Issuers.TrustDomain(), URLs: a.URLs, Ready: true,
		Root: issuerOf(a.Issuers.Root()), Issuer: issuerOf(a.Issuers.Current().Certificate()), Issuers: issuers, Rotation: rotation,
		Policy: a.Registrar.Policies.Current().Version(), Identities: map[string]int64{}, Suspects: counts.Suspects,
		Certificates: counts.Live - counts.Revoked, Tokens: counts.OpenTokens,
		Replicas: replicas, RelyingParties: relyingPartiesOf(parties),
		Entries: counts.AuditEntries, Checkpointed: signed.Size, LogKey: key,
	}
	out.Survival, out.Deliveries, out.Doubtful = survival, deliveries, map[string]int64{}
	if len(alerts) > 0 {
		out.Alerts = map[string]int64{}
	}
	for severity, n := range alerts {
		out.Alerts[alert.Severity(severity).String()] = n
	}
	for why, n := range counts.Doubtful {
		out.Doubtful[string(why)] = n
	}
	for state, n := range counts.Identities {
		out.Identities[string(state)] = n
	}
	if err := a.Ready(); err != nil {
		out.Ready, out.Reason = false, err.Error()
	}
	return reply(w, http.StatusOK, out)
}

// replicas lists the daemons on the database; tools, which have no name, are none.
func (a *Admin) replicas(ctx context.Context) ([]adminapi.Replica, error) {
	all, err := a.Store.Replicas(ctx)
	if err != nil {
		return nil, err
	}
	out := []adminapi.Replica{}
	for _, r := range all {
		if r.Name == "" && !r.Self {
			continue
		}
		out = append(out, adminapi.Replica{
			Name: r.Name, Version: r.Version, URL: r.URL, Started: r.Started, Live: r.Live, Eldest: r.Eldest, Self: r.Self, Seen: r.Seen,
		})
	}
	return out, nil
}

func issuerOf(cert *x509.Certificate) adminapi.Issuer {
	sum := sha256.Sum256(cert.Raw)
	return adminapi.Issuer{
		Subject: cert.Subject.String(), SHA256: hex.EncodeToString(sum[:]),
		KeyID: hex.EncodeToString(cert.SubjectKeyId), NotAfter: cert.NotAfter,
	}
}
