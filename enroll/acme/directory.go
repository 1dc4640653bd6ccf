package acme

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/ca"
)

// directory answers with where everything is (RFC 8555, Section 7.1.1).
func (h *Handler) directory(w http.ResponseWriter, r *http.Request) error {
	base, err := h.base(r)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, directoryObject{
		NewNonce:    base + pathNewNonce,
		NewAccount:  base + pathNewAccount,
		NewOrder:    base + pathNewOrder,
		RevokeCert:  base + pathRevokeCert,
		KeyChange:   base + pathKeyChange,
		RenewalInfo: base + pathRenewalInfo,
		Meta: directoryMeta{
			TermsOfService:          h.Settings.TermsOfService,
			ExternalAccountRequired: h.Settings.RequireEAB,
			Profiles:                profiles(h.Registrar.Policies.Current()),
		},
	})
}

// profiles says which roles give certificates by ACME: their names are the
// profiles (draft-ietf-acme-profiles, Section 3). Those of people are nobody's
// business.
func profiles(policy *ca.Policy) map[string]string {
	all := make(map[string]string)
	for _, name := range policy.Roles() {
		role, ok := policy.Role(name)
		if !ok || name == ca.RoleCA || ca.Privileged(name) || !slices.Contains(role.Methods, ca.MethodACME) {
			continue
		}
		var usages []string
		for _, usage := range role.Usages {
			usages = append(usages, string(usage))
		}
		all[name] = fmt.Sprintf("%s certificates for %s", strings.Join(usages, " and "), lifetime(role.Lifetime))
	}
	return all
}

// lifetime writes a time as policy does: "7d", "24h", "90m".
func lifetime(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d%day == 0 && d > day:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}
