package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/notify"
	"github.com/betonica/betonica/enroll/agent"
)

// holding is what the machine verbs print: the certificate in a directory.
type holding struct {
	Identity   string    `json:"identity"`
	Serial     string    `json:"serial"`
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	RenewAfter time.Time `json:"renew_after"`
	Generation int       `json:"generation"`
	Dir        string    `json:"dir"` // with cert.pem, key.pem, chain.pem, roots.pem
	State      string    `json:"state,omitempty"`
	Renewed    *bool     `json:"renewed,omitempty"`
}

func writeHolding(env environment, form output, dir string, c *agent.Credential, renewed *bool) error {
	h := holding{
		Identity: c.ID(), Serial: c.Serial(), NotBefore: c.Certificate.Leaf.NotBefore.UTC(), NotAfter: c.NotAfter().UTC(),
		RenewAfter: c.RenewAfter.UTC(), Generation: c.Generation, Dir: filepath.Join(dir, "current"), Renewed: renewed,
	}
	if status, err := agent.ReadStatus(dir); err == nil {
		h.State = string(status.State)
	}
	now := env.now()
	fields := []field{
		{"identity", h.Identity}, {"serial", h.Serial}, {"not after", stamp(h.NotAfter, now)}, {"renew after", stamp(h.RenewAfter, now)}, {"in", h.Dir},
	}
	if renewed != nil && !*renewed {
		fields = append(fields, field{"renewed", "no: it is not due yet"})
	}
	return writeOne(env, form, h, fields)
}

// hookFlags gives a command what runs after a new certificate.
func hookFlags(cmd *cobra.Command) {
	cmd.Flags().String("exec", "", "`command` for the shell to run after each new certificate, such as 'systemctl reload nginx'")
	cmd.Flags().String("health", "", "`command` for the shell that says, after --exec, whether all is well: it is tried each second")
	cmd.Flags().Duration("exec-timeout", time.Minute, "how long each may take")
}

func hook(cmd *cobra.Command, conf *agent.Config) {
	if line := cmd.Flags().Lookup("exec").Value.String(); line != "" {
		conf.Exec = []string{"/bin/sh", "-c", line}
	}
	if line := cmd.Flags().Lookup("health").Value.String(); line != "" {
		conf.Health = []string{"/bin/sh", "-c", line}
	}
	conf.ExecTimeout, _ = cmd.Flags().GetDuration("exec-timeout")
}

// logger writes what happens to stderr, a line each; a quiet one only what
// needs somebody's attention.
func logger(env environment, quiet bool) *slog.Logger {
	level := slog.LevelInfo
	if quiet {
		level = slog.LevelWarn
	}
	return slog.New(slog.NewTextHandler(env.stderr, &slog.HandlerOptions{Level: level}))
}

// interrupted is the error of a verb that was told to stop.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// tellManager says to the service manager how the program is doing.
func tellManager(ctx context.Context, env environment, log *slog.Logger, s notify.State) {
	if err := notify.Send(env.getenv, s); err != nil {
		log.WarnContext(ctx, "the service manager was not told", "state", string(s), "error", err)
	}
}
