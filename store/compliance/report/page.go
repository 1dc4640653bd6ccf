package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/betonica/betonica/store/compliance"
)

//go:embed page
var pageFiles embed.FS

// A view is what the templates draw.
type view struct {
	Run    *compliance.Run
	Facts  *compliance.Facts
	Style  template.CSS
	Bar    []segment
	Tiles  []tile // of the five technical safeguards
	Beside []tile // of the others
	Open   []compliance.Result
	Map    *chart
	Bars   []bars
	Keys   []share
	Ends   []share // how sessions ended
	States []share // of identities
	People []compliance.Person
	Doubts []doubt
	Groups []group
	Acts   []act
	Proofs int
}

// A doubt is a kind of machine that somebody should look at.
type doubt struct {
	Title string
	compliance.Count
}

// doubts are those of which there are any, and the first two in any case.
func doubts(f *compliance.Facts) []doubt {
	all := []doubt{{"Nobody answers for", f.Identities.Ownerless}, {"Not attested in time", f.Identities.Unattested}}
	for _, d := range []doubt{
		{"Under suspicion", f.Identities.Suspect}, {"With more certificates than they need", f.Certificates.Crowded},
		{"Ended, with a certificate that could be used", f.Certificates.Orphaned}, {"With the key of another", f.Certificates.Borrowed},
		{"Guards that were not heard of", f.Access.Silent}, {"Emergency powers that nobody reviewed", f.Emergency.Unreviewed},
	} {
		if d.N > 0 {
			all = append(all, d)
		}
	}
	return all
}

// A group is the checks of a safeguard.
type group struct {
	Safeguard compliance.Safeguard
	Results   []compliance.Result
}

// An act is a review or a drill.
type act struct {
	What, When, Who, Word string
	State                 compliance.State
}

// page writes report.html.
func page(in Input) ([]byte, error) {
	style, err := pageFiles.ReadFile("page/style.css")
	if err != nil {
		return nil, err
	}
	t, err := template.New("").Funcs(functions(in.Run.At)).ParseFS(pageFiles, "page/*.tmpl")
	if err != nil {
		return nil, err
	}
	v := view{
		Run: in.Run, Facts: in.Facts, Style: template.CSS(style), Bar: barOf(in.Run.Counts), Map: drawMap(in.Facts.Access.Edges),
		Keys: shares(in.Facts.Certificates.Keys), Ends: shares(in.Facts.Access.Logoffs), Acts: acts(in), Proofs: len(in.Evidence.Entries),
		States: shares(in.Facts.Identities.States), People: in.Facts.Identities.Privileged[:min(len(in.Facts.Identities.Privileged), compliance.MaxRows)], Doubts: doubts(in.Facts),
	}
	for i, s := range in.Run.Safeguards {
		if one := tileOf(s); i < 5 {
			v.Tiles = append(v.Tiles, one)
		} else {
			v.Beside = append(v.Beside, one)
		}
		g := group{Safeguard: s.Safeguard}
		for _, r := range in.Run.Results {
			if r.Safeguard != s.Safeguard {
				continue
			}
			if g.Results = append(g.Results, r); r.State == compliance.Fail {
				v.Open = append(v.Open, r)
			}
		}
		v.Groups = append(v.Groups, g)
	}
	c := &in.Facts.Certificates
	v.Bars = []bars{barsOf("Since they were issued", c.Ages), barsOf("From issue to end", c.Lives), barsOf("Until they end", c.Left)}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "page.tmpl", v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// functions are what templates call.
func functions(now time.Time) template.FuncMap {
	return template.FuncMap{
		"number": func(n any) string {
			switch n := n.(type) {
			case int:
				return compliance.Number(int64(n))
			case int64:
				return compliance.Number(n)
			}
			return fmt.Sprint(n)
		},
		"counted": compliance.Counted,
		"date":    func(t time.Time) string { return t.UTC().Format("2 January 2006") },
		"moment":  func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") },
		"ago":     func(t time.Time) string { return compliance.Length(now.Sub(t)) + " ago" },
		"join":    func(s []string) string { return strings.Join(s, ", ") },
		"slug":    func(s compliance.State) string { return strings.ReplaceAll(string(s), " ", "-") },
		"title":   func(s compliance.Safeguard) string { return s.Title() },
		"cite":    func(s compliance.Safeguard) string { return s.Cite() },
		"short":   func(s string) string { r := []rune(s); return string(r[:min(len(r), 12)]) },
		"inc":     func(i int) int { return i + 1 },
	}
}

// acts lists reviews and drills: who looked at what, what somebody attested, and what the
// CA did by itself.
func acts(in Input) []act {
	all := reviews(in)
	for _, r := range in.Run.Results {
		if c, ok := compliance.Checks().Check(r.ID); !ok || !c.Manual {
			continue
		}
		one := act{What: r.Title, State: r.State, Word: r.Found}
		if a, ok := in.Facts.Attested[r.ID]; ok {
			one.When, one.Who, one.Word = a.At.UTC().Format("2006-01-02")+", until "+a.Expires.UTC().Format("2006-01-02"), a.By, a.Word
		}
		all = append(all, one)
	}
	if v := in.Facts.Log.Verified; v != nil {
		state := compliance.Pass
		if v.Findings.N > 0 {
			state = compliance.Fail
		}
		all = append(all, act{"The whole log was read", v.At.UTC().Format("2006-01-02"), "the CA, by itself", compliance.Number(v.Entries) + " entries, " + compliance.Number(v.Findings.N) + " findings", state})
	}
	if b := in.Facts.System.Backup; !b.At.IsZero() {
		all = append(all, act{"A backup was made", b.At.UTC().Format("2006-01-02 15:04"), "betonicad backup", b.File, compliance.Pass})
	}
	return all
}

// reviews lists who reviewed the log, and the use of powers.
func reviews(in Input) (all []act) {
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02") }
	for _, r := range in.Facts.Reviews.Done {
		one := act{
			fmt.Sprintf("The log of %s to %s was reviewed, entries %s to %s", day(r.Since), day(r.Until), compliance.Number(r.First), compliance.Number(r.Last)),
			day(r.At), r.By, r.Word, compliance.Pass,
		}
		if r.Own > 0 {
			one.What += fmt.Sprintf(" (%s of the %s things that people did were of the same owner)", compliance.Number(r.Own), compliance.Number(r.Acts))
		}
		all = append(all, one)
	}
	for _, r := range in.Run.Results {
		if r.ID == "308-13" && r.State != compliance.Pass {
			all = append(all, act{What: r.Title, State: r.State, Word: r.Found})
		}
	}
	for _, r := range in.Facts.Emergency.Reviewed {
		all = append(all, act{"The emergency power of " + r.Person + " was looked at", day(r.At), r.By, r.Word, compliance.Pass})
	}
	return all
}
