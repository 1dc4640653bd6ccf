package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/store/audit"
)

// A finding is one thing that is wrong with a bundle.
type finding struct {
	Kind   string `json:"kind"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Detail string `json:"detail"`
}

// A reading is what verify found out, as JSON.
type reading struct {
	Verified   bool      `json:"verified"`
	Origin     string    `json:"origin"`
	KeyTrusted bool      `json:"key_trusted"`
	First      int64     `json:"first"`
	Last       int64     `json:"last"`
	Proved     int64     `json:"proved"` // up to this entry, the log signed for it
	Opened     int64     `json:"opened"`
	Sealed     int64     `json:"sealed"`
	Findings   []finding `json:"findings"`
}

func auditVerifyCommand(env environment) *cobra.Command {
	var key, dir string
	var kept keeping
	var form *output
	cmd := &cobra.Command{
		Use:   "verify BUNDLE | --journal DIR",
		Short: "Check an export, anywhere; - reads it from stdin; or a guard's journal",
		Long: `Check what betonica audit export wrote: that no entry was edited, left out, put in
or moved, and that the log's key signed for them. It asks nobody.

Name the key that you know the log by with --key (betonica status has it), or
with --dir a machine that follows the log. Else the bundle's own word is taken
for it: then it is whole, but may be another log's.

With --journal, check the whole journal of a guard on this machine, whether the
guard runs or not: every entry, tile and checkpoint.`,
		Example: `  betonica audit verify november.jsonl --key hospital.example/log+8d1f...
  gunzip < november.jsonl.gz | betonica audit verify - --dir /etc/pump
  betonica audit verify --journal /var/lib/betonica/journal`,
		Args: func(cmd *cobra.Command, args []string) error {
			if kept.dir != "" {
				return noArgs(cmd, args)
			}
			return oneArg("BUNDLE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if kept.dir != "" {
				if key != "" || dir != "" {
					return usagef("--key and --dir are for exports: a journal has its own key")
				}
				return verifyJournal(cmd.Context(), env, *form, kept)
			}
			if key != "" && dir != "" {
				return usagef("--key and --dir both name a key: give one")
			}
			if dir != "" {
				var err error
				if key, err = agent.LogKey(dir); err != nil {
					return err
				}
				if key == "" {
					return fmt.Errorf("%s: the machine has not seen the log's key yet", dir)
				}
			}
			bundle := env.stdin
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				bundle = f
			}
			return verifyBundle(env, *form, bundle, key)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the log's verifier `key`")
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` of a machine that knows the key")
	kept.flags(cmd)
	form = outputFlag(cmd)
	return cmd
}

// verifyBundle writes what was found to stdout. A bundle that was tampered with
// is an error.
func verifyBundle(env environment, form output, bundle io.Reader, key string) error {
	r, err := audit.VerifyBundle(bundle, key)
	if _, broken := errors.AsType[*audit.TamperError](err); err != nil && !broken {
		return fmt.Errorf("%w; is it what betonica audit export wrote?", err)
	}
	return writeReport(env, form, r, err)
}

// writeReport writes what was found to stdout, and returns err, which says whether it is
// in order.
func writeReport(env environment, form output, r audit.Report, err error) error {
	if form != asTable {
		v := reading{
			Verified: err == nil, Origin: r.Origin, KeyTrusted: r.KeyTrusted, First: r.First, Last: r.Last,
			Proved: r.Proved, Opened: r.Opened, Sealed: r.Sealed, Findings: []finding{},
		}
		for _, f := range r.Findings {
			v.Findings = append(v.Findings, finding{string(f.Kind), f.From, f.To, f.Detail})
		}
		if e := writeOne(env, form, v, nil); e != nil {
			return e
		}
		return err
	}
	if _, e := io.WriteString(env.stdout, escape(strings.TrimRight(r.String(), "\n")+"\n", "\n", textEscape)); e != nil {
		return e
	}
	return err
}
