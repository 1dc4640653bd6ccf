package guard

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"sort"
	"strings"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
)

// metrics writes what is counted in the text format of Prometheus (version 0.0.4):
//
//	betonica_guard_connections                                      open connections
//	betonica_guard_refused_connections_total                        before anything was asked
//	betonica_guard_records_total{route,protocol,kind,outcome}       records kept
//	betonica_guard_ends_total{route,outcome,reason}                 of refused and cut ones, why
//	betonica_guard_records_failed_total{route}                      records that could not be kept
//	betonica_guard_bytes_total{route,direction}                     payload to targets and from them
//	betonica_guard_target_failures_total{route}                     times that a target was not there
//	betonica_guard_certificate_left_seconds                         until the machine's own runs out
//	betonica_guard_list_age_seconds{issuer}                         of revocation lists
//	betonica_guard_list_usable{issuer}                              0: it is too old, OCSP decides
//	betonica_guard_cut_total                                        connections that revocation or expiry cut
//	betonica_guard_journal_entries{state}                           written, signed, shipped; missing by best effort
//	betonica_guard_journal_writable                                 0: it is in trouble, whatever the settings
//	betonica_guard_rules                                            in force
//	betonica_guard_rules_version                                    of the CA's policy
//	betonica_guard_ready                                            as /readyz says
//	go_goroutines                                                   that exist
//
// It is written by hand: the client library costs the tool a third of its size.
func (g *Guard) metrics(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	p := page{&b}
	p.head("connections", "gauge", "Open connections.")
	p.line("connections", float64(g.links.len()))
	p.head("refused_connections_total", "counter", "Connections refused before anything was asked.")
	p.line("refused_connections_total", float64(g.refusals.Load()))
	g.mu.Lock()
	names := slices.Sorted(maps.Keys(g.meters))
	counts := map[string]gate.Counts{}
	for _, name := range names {
		counts[name] = g.meters[name].Counts()
	}
	g.mu.Unlock()
	p.records(names, counts)
	p.head("records_failed_total", "counter", "Records that could not be kept.")
	for _, name := range names {
		p.line("records_failed_total", float64(counts[name].Unkept), "route", name)
	}
	p.head("bytes_total", "counter", "Payload to targets and from them.")
	for _, name := range names {
		p.line("bytes_total", float64(counts[name].In), "route", name, "direction", "in")
		p.line("bytes_total", float64(counts[name].Out), "route", name, "direction", "out")
	}
	p.head("target_failures_total", "counter", "Times that a target was not there.")
	for _, name := range names {
		p.line("target_failures_total", float64(counts[name].DialsFailed), "route", name)
	}
	p.head("certificate_left_seconds", "gauge", "Time until the machine's own certificate runs out.")
	p.line("certificate_left_seconds", g.source.Certificate().Leaf.NotAfter.Sub(g.now()).Seconds())
	p.lists(g)
	p.journal(g)
	p.rules(g)
	p.head("ready", "gauge", "1 if accesses are served as they should be.")
	p.line("ready", truth(len(g.troubles()) == 0))
	fmt.Fprintf(p, "# HELP go_goroutines Goroutines that exist.\n# TYPE go_goroutines gauge\ngo_goroutines %d\n", runtime.NumGoroutine())
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(b.Bytes())
}

// A page is metrics in the text format.
type page struct{ *bytes.Buffer }

func (p page) head(name, kind, help string) {
	fmt.Fprintf(p, "# HELP betonica_guard_%[1]s %[3]s\n# TYPE betonica_guard_%[1]s %[2]s\n", name, kind, help)
}

var labelValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// line writes one sample; labels are names and values in turn.
func (p page) line(name string, value float64, labels ...string) {
	p.WriteString("betonica_guard_" + name)
	for i := 0; i < len(labels); i += 2 {
		p.WriteByte("{,"[min(i, 1)])
		p.WriteString(labels[i] + `="` + labelValue.Replace(strings.ToValidUTF8(labels[i+1], "?")) + `"`)
	}
	if len(labels) > 0 {
		p.WriteByte('}')
	}
	fmt.Fprintf(p, " %g\n", value)
}

func (p page) records(names []string, counts map[string]gate.Counts) {
	type key struct{ route, protocol, kind, outcome, reason string }
	sums, ends := map[key]int64{}, map[key]int64{}
	for _, name := range names {
		for t, n := range counts[name].Records {
			sums[key{name, string(t.Protocol), string(t.Kind), string(t.Outcome), ""}] += n
			if t.Reason != "" {
				ends[key{name, "", "", string(t.Outcome), t.Reason}] += n
			}
		}
	}
	sorted := func(m map[key]int64) []key { // small: not by slices.SortFunc, which is made anew for each struct
		all := slices.Collect(maps.Keys(m))
		sort.Slice(all, func(i, j int) bool { return fmt.Sprint(all[i]) < fmt.Sprint(all[j]) })
		return all
	}
	p.head("records_total", "counter", "Records kept.")
	for _, k := range sorted(sums) {
		p.line("records_total", float64(sums[k]), "route", k.route, "protocol", k.protocol, "kind", k.kind, "outcome", k.outcome)
	}
	p.head("ends_total", "counter", "Accesses refused or cut, by reason.")
	for _, k := range sorted(ends) {
		p.line("ends_total", float64(ends[k]), "route", k.route, "outcome", k.outcome, "reason", k.reason)
	}
}

func (p page) lists(g *Guard) {
	issuers, now := g.peer.Issuers(), g.now()
	p.head("list_age_seconds", "gauge", "Age of the revocation list in force.")
	for _, i := range issuers {
		if i.Number > 0 {
			p.line("list_age_seconds", now.Sub(i.ThisUpdate).Seconds(), "issuer", i.ID)
		}
	}
	p.head("list_usable", "gauge", "1 if the list decides, 0 if it is too old and OCSP does.")
	for _, i := range issuers {
		p.line("list_usable", truth(i.Err == nil), "issuer", i.ID)
	}
	p.head("cut_total", "counter", "Connections that revocation or expiry cut.")
	p.line("cut_total", float64(g.peer.Stats().Cut))
}

func (p page) journal(g *Guard) {
	if g.journal == nil {
		return
	}
	s := g.journal.Stats()
	p.head("journal_entries", "gauge", "Entries of the journal, by how far they are.")
	p.line("journal_entries", float64(s.Entries), "state", "written")
	p.line("journal_entries", float64(s.Signed), "state", "signed")
	p.line("journal_entries", float64(s.Shipped), "state", "shipped")
	p.line("journal_entries", float64(s.Missing), "state", "missing")
	p.head("journal_writable", "gauge", "1 if records can be kept.")
	p.line("journal_writable", truth(g.journal.Trouble() == nil))
}

func (p page) rules(g *Guard) {
	p.head("rules", "gauge", "Rules in force.")
	p.line("rules", float64(g.rules.set().Len()))
	if g.rules.ca != nil {
		p.head("rules_version", "gauge", "Version of the policy that the rules in force are of.")
		p.line("rules_version", float64(g.rules.ca.Status().Version))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
