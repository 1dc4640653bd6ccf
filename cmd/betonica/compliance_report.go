package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
)

func complianceReportCommand(env environment) *cobra.Command {
	var out string
	var profile *string
	cmd := &cobra.Command{
		Use:   "report --out DIR [--profile P]",
		Short: "Write a page of evidence, with its proofs, signed",
		Long: `Check the safeguards as betonica compliance check does, and write what was found
into a new folder: report.html, one page that needs no network, runs no script and
prints; results.json, OSCAL assessment results 1.1.3 and JUnit for programs;
sampled entries of the log with their proofs of inclusion; and a manifest that the
log's key signed. VERIFY.txt says in five lines how to check all of it offline.

The files name machines and people, and entries that are sealed. Checks that failed
do not make the command fail: they are in the report.`,
		Example: `  betonica compliance report --out evidence-2026-11
  betonica compliance report --out proposed --profile hipaa-nprm`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "out"); err != nil {
				return err
			}
			out = filepath.Clean(out)
			if err := unused(out); err != nil {
				return err
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			run, files, err := survey(cmd.Context(), env, daemon.ReportCompliance, *profile)
			if err != nil {
				return err
			}
			if err := writeFiles(out, files); err != nil {
				return err
			}
			fmt.Fprintln(env.stdout, filepath.Join(out, "report.html"))
			fmt.Fprintf(env.stderr, "%d checks, %d failed; check the folder anywhere with betonica compliance verify %s\n", len(run.Results), run.Counts[compliance.Fail], out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`folder` to make, which must be new")
	profile = profileFlag(cmd)
	daemonFlags(cmd)
	return cmd
}

// unused returns an error unless there is nothing of a name, a link to nowhere included.
func unused(path string) error {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = &conflictError{fmt.Sprintf("%s is there already: name a new folder", path)}
	}
	return err
}

// writeFiles makes the folder of a report, for its owner's eyes: it names machines and
// people. It is there whole or not at all, and nobody else's folder is taken for it.
func writeFiles(dir string, files []adminapi.ComplianceFile) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	made, err := os.MkdirTemp(filepath.Dir(dir), ".betonica-report-*") // of mode 0700
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(made)
		}
	}()
	for _, f := range files {
		if filepath.Base(f.Name) != f.Name || f.Name == "." || f.Name == ".." || strings.ContainsAny(f.Name, `/\`) {
			return fmt.Errorf("the daemon sent a file called %q", f.Name)
		}
		if err := writeNew(filepath.Join(made, f.Name), f.Text); err != nil {
			return err
		}
	}
	if err := unused(dir); err != nil {
		return err
	}
	return os.Rename(made, dir)
}

// writeNew writes a file that was not there.
func writeNew(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// collected says what a folder that verifies tells, and of when: an old one verifies, too.
func collected(dir *os.Root) string {
	var r compliance.Run
	text, err := dir.ReadFile("results.json")
	if err != nil || json.Unmarshal(text, &r) != nil {
		return ""
	}
	return fmt.Sprintf("collected %s of %s, profile %s: %d checks, %d failed\n", r.At.UTC().Format(time.RFC3339), r.TrustDomain, r.Profile, len(r.Results), r.Counts[compliance.Fail])
}

func complianceVerifyCommand(env environment) *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check a report's folder, anywhere",
		Long: `Check what betonica compliance report wrote: that the log's key signed the manifest,
that every file in the folder is one that was signed, and that the sampled entries
are in the log. It asks nobody.

Name the key that you know the log by with --key (betonica status has it). Else the
folder's own word is taken for it: then it is whole, but may be another log's.`,
		Example: `  betonica compliance verify evidence-2026-11 --key hospital.example/log+8d1f...`,
		Args:    oneArg("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			root, err := os.OpenRoot(args[0])
			if err != nil {
				return err
			}
			defer root.Close()
			c, err := pack.Verify(root.FS(), key)
			if err != nil {
				return fmt.Errorf("%s does not verify: %w", args[0], err)
			}
			text := fmt.Sprintf("verified %d files, signed by %s\nproved %d entries to be in its log\n", c.Files, c.Log, c.Entries)
			text += collected(root)
			if !c.Trusted {
				text += "the key of that signature is the folder's own word: compare it with the log's, or this proves nothing\n" + c.Key + "\n"
			}
			_, err = io.WriteString(env.stdout, escape(text, "\n", textEscape))
			return err
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the log's verifier `key`")
	return cmd
}
