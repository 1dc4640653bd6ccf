package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func statusCommand(env environment) *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the daemon at a glance",
		Long: `Show the daemon at a glance.

Its survival clock says how long machines go on if the CA stops now. A machine falls
at the earliest of three times: its newest certificate ends; the revocation list
that its peers check it by ends (nextUpdate); the newest list is older than its
peers take (max_age, as the strictest says of those that are connected; 4 h if none
is). Tables tell roles and sites apart, also by certificates alone. It is
counted every few minutes, and later than it says nobody falls: what was renewed
since is not in.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			s, err := daemon.Status(cmd.Context())
			if err != nil {
				return fmt.Errorf("asking for the status: %w", interrupted(cmd.Context(), err))
			}
			return writeStatus(env, *form, s)
		},
	}
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// doubtText says how many identities are in doubt, if any is.
func doubtText(n map[string]int64) string {
	var all []string
	for _, why := range slices.Sorted(maps.Keys(n)) {
		if n[why] > 0 {
			all = append(all, fmt.Sprintf("%d %s", n[why], why))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return strings.Join(all, ", ") + ": see betonica identity list --stale, --ownerless, --dormant"
}

func writeStatus(env environment, form output, s adminapi.Status) error {
	now := env.now()
	ready := "yes"
	if !s.Ready {
		ready = "no: " + s.Reason
	}
	identities := []string{}
	for _, state := range slices.Sorted(maps.Keys(s.Identities)) {
		identities = append(identities, fmt.Sprintf("%d %s", s.Identities[state], state))
	}
	log := fmt.Sprintf("%d entries, all of them signed for", s.Entries)
	if tail := s.Entries - s.Checkpointed; tail > 0 {
		log = fmt.Sprintf("%d entries, the last %d not yet signed for", s.Entries, tail)
	}
	suspects := ""
	if s.Suspects > 0 {
		suspects = fmt.Sprintf("%d: see betonica identity list", s.Suspects)
	}
	err := writeOne(env, form, s, []field{
		{"ready", ready}, {"trust domain", s.TrustDomain}, {"version", s.Version}, {"started", stamp(s.Started, now)},
		{"https", s.URLs.HTTPS}, {"http", s.URLs.HTTP}, {"ops", s.URLs.Ops}, {"socket", s.URLs.Socket},
		{"root", s.Root.Subject}, {"root SHA-256", s.Root.SHA256}, {"root ends", stamp(s.Root.NotAfter, now)},
		{"issuer", s.Issuer.Subject}, {"issuer ends", stamp(s.Issuer.NotAfter, now)},
		{"intermediates", issuersText(s.Issuers, now)}, {"rotation", rotationText(s.Rotation, now)},
		{"policy", fmt.Sprintf("version %d", s.Policy)},
		{"identities", strings.Join(identities, ", ")}, {"suspects", suspects}, {"alerts", alertsText(s.Alerts)},
		{"delivery", deliveryText(s.Deliveries)},
		{"survival", survivalSummary(s.Survival, now)}, {"certificates end", survivalCertificates(s.Survival, now)},
		{"in doubt", doubtText(s.Doubtful)},
		{"certificates", fmt.Sprintf("%d live", s.Certificates)}, {"tokens", fmt.Sprintf("%d open", s.Tokens)},
		{"replicas", replicasSummary(s.Replicas)},
		{"relying parties", partiesSummary(s.RelyingParties)}, {"false reports", refusedSummary(s.RelyingParties)},
		{"log", log}, {"log key", s.LogKey},
	})
	if err != nil || form != asTable {
		return err
	}
	if err := writeReplicas(env, s.Replicas); err != nil {
		return err
	}
	if err := writeSurvival(env, s.Survival); err != nil {
		return err
	}
	return writeParties(env, s.RelyingParties)
}

// alertsText says how many alerts are open, the worst first; "" if there is none.
func alertsText(open map[string]int64) string {
	var parts []string
	for _, severity := range []string{"critical", "high", "medium", "low"} {
		if n := open[severity]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, severity))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + ": see betonica alert list"
}

// slow is how far a receiver of the audit log may be behind without a word.
const slow = 5 * time.Minute

// deliveryText says which receivers of the audit log and of alerts are late, take nothing, or
// refuse some of it; "" if there are no receivers.
func deliveryText(all []adminapi.Delivery) string {
	var wrong []string
	for _, d := range all {
		switch behind := time.Duration(d.Behind) * time.Second; {
		case d.Failing != nil:
			wrong = append(wrong, fmt.Sprintf("%s takes nothing, %d entries wait: %s", d.Sink, d.Waiting, d.Trouble))
		case behind > slow:
			wrong = append(wrong, fmt.Sprintf("%s is %s behind, %d entries wait", d.Sink, span(behind), d.Waiting))
		}
		if d.Refused > 0 {
			wrong = append(wrong, fmt.Sprintf("%s refused %d of the last day: see betonica audit list --action delivery.refuse", d.Sink, d.Refused))
		}
	}
	switch {
	case len(all) == 0:
		return ""
	case len(wrong) > 0:
		return strings.Join(wrong, "; ")
	}
	return fmt.Sprintf("all of %d receivers", len(all))
}
