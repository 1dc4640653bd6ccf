package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func rotateLogKeyCommand(env environment) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "log-key --dir DIR",
		Short: "Replace the keys that the audit log is sealed under",
		Long: `log-key has the daemon replace the keys of the audit log: the data key that entries
are sealed under, and the key that wraps it and all data keys of before, those of
guards' journals included, which are wrapped anew. The daemon does so at SIGHUP, or when
it starts; on PostgreSQL one replica does it for all, once all are of a version that
can read with such keys.

By itself it replaces the data key each month, and the wrapping key each year. Entries,
exports and archives of before are read as ever, and no backup has to be made anew: each
holds the keys that it needs. Entries of before stay sealed as they are. The key of the
blind indexes, by which entries are found, and the key that signs checkpoints, which
machines hold the CA to, are never replaced.`,
		Example: `  betonicad rotate log-key --dir ca
  systemctl kill --signal HUP betonica`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir"); err != nil {
				return err
			}
			c, err := begin(dir)
			if err != nil {
				return err
			}
			defer c.end()
			o := order{Action: actionKeys, By: fmt.Sprintf("uid:%d", os.Getuid()), At: time.Now().UTC().Truncate(time.Second), Subject: "log"}
			if err := c.secrets.roster.write(c.layout, o); err != nil {
				return err
			}
			fmt.Fprintln(env.stderr, "ordered new keys for the audit log; send the daemon SIGHUP")
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder of the CA")
	return cmd
}
