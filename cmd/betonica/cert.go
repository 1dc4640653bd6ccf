package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func certCommand(env environment) *cobra.Command {
	return groupCommand("cert", "Look at the certificates that were issued", certListCommand(env), certShowCommand(env))
}

// certState says whether a certificate is good, and if not, why.
func certState(c adminapi.Certificate, now time.Time) string {
	switch {
	case c.Revoked != nil:
		return "revoked, " + c.Revoked.Reason
	case now.After(c.NotAfter):
		return "expired"
	}
	return "live"
}
