package report

import (
	"encoding/json"
	"fmt"

	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
)

// An Input is a run, what it was made of, and what proves its samples.
type Input struct {
	Run      *compliance.Run
	Facts    *compliance.Facts
	Evidence *pack.ProofFile
}

// Write returns the files of the report, some hundred KiB. Whatever words came with the
// facts, none of their characters acts on who reads a file.
func Write(in Input) ([]pack.File, error) {
	in, err := clean(in)
	if err != nil {
		return nil, fmt.Errorf("cleaning what was found: %w", err)
	}
	var files []pack.File
	for _, w := range []struct {
		name  string
		write func(Input) ([]byte, error)
	}{
		{"report.html", page}, {"results.json", results}, {"oscal-assessment-results.json", oscal}, {"junit.xml", junit}, {pack.Proofs, proofs},
	} {
		text, err := w.write(in)
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", w.name, err)
		}
		files = append(files, pack.File{Name: w.name, Text: text})
	}
	return files, nil
}

// results is the run, and the numbers that the page draws.
func results(in Input) ([]byte, error) {
	f := in.Facts
	return indented(struct {
		*compliance.Run
		Numbers any `json:"numbers"`
	}{in.Run, map[string]any{
		"identities":   f.Identities.States,
		"certificates": map[string]any{"live": f.Certificates.Live, "revoked": f.Certificates.Revoked, "keys": f.Certificates.Keys, "methods": f.Certificates.Methods, "buckets": compliance.Buckets(), "ages": f.Certificates.Ages, "lifetimes": f.Certificates.Lives, "until_end": f.Certificates.Left},
		"access": map[string]any{
			"records": f.Access.Records, "unreadable": f.Access.Unreadable, "outcomes": f.Access.Outcomes, "protocols": f.Access.Protocols,
			"refusals": f.Access.Refusals, "logoffs": f.Access.Logoffs, "edges": f.Access.Edges, "records_beyond_edges": f.Access.EdgesLost,
		},
		"alerts": map[string]any{"opened": f.Alerts.Opened, "critical": f.Alerts.Critical, "evaluated": f.Alerts.Evaluated},
		"log":    map[string]any{"entries": f.Log.Entries, "signed": f.Log.Signed, "signed_at": f.Log.SignedAt, "key": f.Log.Key, "actions": f.Log.Actions},
	}})
}

func indented(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}

// proofs is proofs.json.
func proofs(in Input) ([]byte, error) { return indented(in.Evidence) }
