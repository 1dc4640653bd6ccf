package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

func identityImportCommand(env environment) *cobra.Command {
	var form *output
	var role string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "import FILE.csv",
		Short: "Put a list of devices on record, before they come",
		Long: `Put a list of devices on record, before they come. Each line is a device with the
serial number that its manufacturer gave it, and becomes an identity that is
pending until the device enrols: with the birth certificate that names this
number, with the TPM that has this key, or by any other way that its role admits.

The first line names the columns, in any order:

  serial     the manufacturer's serial number; the only one that has to be there
  name       of the identity (default: the serial number)
  owner      who answers for it
  site       where it stands
  ek_sha256  SHA-256 of the TPM's endorsement key (its SubjectPublicKeyInfo), in hex
  dns, ips   names and addresses that its certificates may have, separated by blanks

The file is CSV in UTF-8, separated by commas, a device a line. It may be of any
length. A line that is refused is reported with its number, and keeps no other
out. The same command may be run again, after an interruption or with a longer
file: what is on record as the file has it is passed over, and what is otherwise
is reported and stays as it is.

--dry-run says of each line what would become of it as things are on record now:
it does not see that two lines of the file contradict each other.

The exit code is 6 if lines differ from what is on record, and 1 if any was
refused.`,
		Example: `  betonica identity import devices.csv --role device --dry-run
  betonica identity import devices.csv --role device -o ndjson > refused.ndjson`,
		Args: oneArg("FILE.csv"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, size := env.stdin, int64(0)
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
					size = info.Size()
				}
				in = f
			}
			file, err := newInventoryReader(in)
			if err != nil {
				return usagef("%s: %v", args[0], err)
			}
			daemon, err := connect(cmd)
			if err != nil {
				return err
			}
			defer daemon.Close()
			i := importing{env: env, daemon: daemon, form: *form, name: args[0], size: size, file: file,
				req: adminapi.ImportRequest{Role: role, DryRun: dryRun}, bar: newProgressLine(env.stderr)}
			return i.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&role, "role", "device", "of this `role`")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would become of each line")
	daemonFlags(cmd)
	form = outputFlag(cmd)
	return cmd
}

const (
	// maxImportBody is how large a request gets, in bytes of JSON: well below
	// adminapi.MaxBody with any one line more.
	maxImportBody = adminapi.MaxBody / 2

	// importEvery is how many lines are read before it is said again, where there is no
	// terminal, how far it is.
	importEvery = 50_000

	// maxProblems is how many lines that were not carried out stand in one JSON document.
	maxProblems = 10_000
)

// An importTally is what became of a list of devices.
type importTally struct {
	Total     int         `json:"total"`    // lines with a device, or what should be one
	Imported  int         `json:"imported"` // with --dry-run: would be
	Unchanged int         `json:"unchanged"`
	Differ    int         `json:"differ"`
	Refused   int         `json:"refused"`
	Problems  []importWoe `json:"problems,omitempty"`
	More      int         `json:"more_problems,omitempty"` // that are not among those
}

// An importWoe is a line that was not carried out.
type importWoe struct {
	Line     int    `json:"line"`
	Serial   string `json:"serial,omitempty"`
	Identity string `json:"identity,omitempty"`
	Status   string `json:"status"`
	Detail   string `json:"detail"`
}

var (
	errLinesDiffer  = errors.New("what is on record is otherwise, and stays so")
	errLinesRefused = errors.New("not every line was taken")
)

// An importing is one run over one file, in bounded memory.
type importing struct {
	env    environment
	daemon *adminapi.Client
	form   output
	name   string // of the file; "-" is standard input
	size   int64  // 0: not known
	file   *inventoryReader
	bar    *progressLine
	tally  importTally
	said   int // lines at which a plain line said how far it is

	req   adminapi.ImportRequest // lines that are not sent yet
	lines []int                  // where they stand
	bytes int
	bad   []importWoe // lines that are none, and are not reported yet
}

func (i *importing) run(ctx context.Context) error {
	err := i.all(ctx)
	i.bar.clear()
	if err != nil {
		err = &advice{fmt.Errorf("importing %s: %w", i.name, interrupted(ctx, err)), "run the same command again: what is on record is passed over"}
	} else {
		err = i.verdict()
	}
	return errors.Join(i.write(), err)
}

// all reads, sends and reports until the end of the file.
func (i *importing) all(ctx context.Context) error {
	for {
		l, err := i.file.next()
		bad, refused := errors.AsType[*lineError](err)
		switch {
		case errors.Is(err, io.EOF):
			return i.send(ctx)
		case refused:
			i.bad = append(i.bad, importWoe{Line: i.file.line, Status: adminapi.LineRefused, Detail: bad.why})
		case err != nil:
			return err
		default:
			text, err := json.Marshal(l)
			if err != nil {
				return err
			}
			i.req.Lines, i.lines, i.bytes = append(i.req.Lines, l), append(i.lines, i.file.line), i.bytes+len(text)
		}
		if max(len(i.lines), len(i.bad)) == adminapi.MaxImport || i.bytes > maxImportBody {
			if err := i.send(ctx); err != nil {
				return err
			}
		}
		i.progress()
	}
}

// send has the daemon take what was collected, and reports in the order of the file.
func (i *importing) send(ctx context.Context) error {
	var results []adminapi.ImportResult
	if len(i.lines) > 0 {
		var err error
		if results, err = i.daemon.Import(ctx, i.req); err != nil {
			return err
		}
	}
	for n, r := range results {
		if err := i.badBefore(i.lines[n]); err != nil {
			return err
		}
		switch r.Status {
		case adminapi.LineImported:
			i.tally.Total++
			i.tally.Imported++
			continue
		case adminapi.LineUnchanged:
			i.tally.Total++
			i.tally.Unchanged++
			continue
		}
		if err := i.woe(importWoe{i.lines[n], i.req.Lines[n].Serial, r.Identity, r.Status, r.Detail}); err != nil {
			return err
		}
	}
	i.req.Lines, i.lines, i.bytes = i.req.Lines[:0], i.lines[:0], 0
	return i.badBefore(math.MaxInt)
}

// badBefore reports the lines before one that are none.
func (i *importing) badBefore(line int) error {
	for ; len(i.bad) > 0 && i.bad[0].Line < line; i.bad = i.bad[1:] {
		if err := i.woe(i.bad[0]); err != nil {
			return err
		}
	}
	return nil
}

// woe counts a line that was not carried out, and says so.
func (i *importing) woe(w importWoe) error {
	i.tally.Total++
	if w.Status == adminapi.LineDiffers {
		i.tally.Differ++
	} else {
		i.tally.Refused++
	}
	switch i.form {
	case asNDJSON:
		return writeOne(i.env, i.form, w, nil)
	case asJSON:
		if len(i.tally.Problems) < maxProblems {
			i.tally.Problems = append(i.tally.Problems, w)
		} else {
			i.tally.More++
		}
		return nil
	}
	i.bar.clear()
	what := w.Status
	if w.Serial != "" {
		what = w.Serial + ": " + w.Status
	}
	_, err := fmt.Fprintf(i.env.stderr, "%s:%d: %s: %s\n", i.name, w.Line, what, w.Detail)
	return err
}

// progress says how far it is: on a terminal on one line, elsewhere now and then on one
// of its own.
func (i *importing) progress() {
	far := many(i.file.line-1, "line", "lines")
	if i.size > 0 {
		far = fmt.Sprintf("%s %d %%, %s", bar(i.file.bytes, i.size), min(100, 100*i.file.bytes/i.size), far)
	}
	if i.tally.Refused+i.tally.Differ > 0 {
		far += fmt.Sprintf(", %d not taken", i.tally.Refused+i.tally.Differ)
	}
	if i.bar.to != nil {
		if len(i.lines) == 0 {
			i.bar.show(far)
		}
	} else if i.file.line-i.said >= importEvery {
		i.said = i.file.line
		fmt.Fprintln(i.env.stderr, far)
	}
}

func (i *importing) verdict() error {
	switch t := i.tally; {
	case t.Refused > 0:
		return &advice{fmt.Errorf("%d of %d were refused: %w", t.Refused, t.Total, errLinesRefused), "mend these lines, and run the same command again: what is on record is passed over"}
	case t.Differ > 0:
		return fmt.Errorf("%d of %d: %w", t.Differ, t.Total, errLinesDiffer)
	}
	return nil
}

func (i *importing) write() error {
	imported := "imported"
	if i.req.DryRun {
		imported = "would be imported"
	}
	text := func(n int) string { return strconv.Itoa(n) }
	return writeOne(i.env, i.form, i.tally, []field{
		{"lines", text(i.tally.Total)}, {imported, text(i.tally.Imported)}, {"unchanged", text(i.tally.Unchanged)},
		{"differ", text(i.tally.Differ)}, {"refused", text(i.tally.Refused)},
	})
}
