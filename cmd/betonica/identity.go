package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func identityCommand(env environment) *cobra.Command {
	return groupCommand("identity", "Look after the identities on record",
		identityCreateCommand(env), identityImportCommand(env), identityListCommand(env), identityAttestCommand(env), identityShowCommand(env),
		identityStateCommand(env, suspend), identityStateCommand(env, resume), identityStateCommand(env, retire))
}

// writeIdentity writes one identity.
func writeIdentity(env environment, form output, i adminapi.Identity) error {
	suspect := ""
	if i.Suspect {
		suspect = "yes: a token or a certificate was used twice, or a restored backup did not know of its revocation; see betonica audit list --subject " + i.Path
	}
	return writeOne(env, form, i, []field{
		{"identity", i.ID}, {"state", stateText(adminapi.Identity{State: i.State, Why: i.Why})}, {"suspect", suspect}, {"owner", i.Owner}, {"site", i.Site},
		{"dns names", strings.Join(i.DNSNames, ", ")}, {"addresses", strings.Join(i.IPs, ", ")},
		{"revision", fmt.Sprint(i.Revision)}, {"created", stamp(i.Created, env.now())}, {"changed", stamp(i.Changed, env.now())},
		{"attested", stamp(i.Attested, env.now())},
	})
}
