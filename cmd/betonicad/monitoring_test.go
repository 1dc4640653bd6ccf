package main_test

import (
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// monitoring is where alert rules and dashboard lie.
const monitoring = "../../testdata/monitoring"

// promtool runs Prometheus' own tool, which must take what it is given.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		storetest.LeaveOut(t, "promtool is not installed (Debian: prometheus)")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = monitoring
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "promtool %s:\n%s", strings.Join(args, " "), out)
}

// Each alert comes when its fault has lasted, not before, and no other with it; of a
// daemon that is well there is none. Each says what to do.
func TestAlerts(t *testing.T) {
	t.Parallel()
	promtool(t, "", "check", "rules", "alerts.yml")
	promtool(t, "", "test", "rules", "alerts_test.yml")

	tests := string(read(t, filepath.Join(monitoring, "alerts_test.yml")))
	rules := rulesOf(t)
	require.Greater(t, len(rules), 20)
	for name, rule := range rules {
		require.Regexp(t, `alertname(="|: )`+name+`\b`, tests, "%s is not tested", name)
		for _, part := range []string{"expr: ", "for: ", "labels: {severity: ", "summary: ", "action: "} {
			require.Equal(t, 1, strings.Count(rule, "\n        "+part)+strings.Count(rule, "\n          "+part), "%s: %s", name, part)
		}
	}
}

// rulesOf returns the text of each alert by its name.
func rulesOf(t *testing.T) map[string]string {
	all := map[string]string{}
	for _, text := range strings.Split(string(read(t, filepath.Join(monitoring, "alerts.yml"))), "      - alert: ")[1:] {
		name, rule, _ := strings.Cut(text, "\n")
		require.NotContains(t, all, name)
		all[name] = "\n" + rule
	}
	return all
}

// expressions returns those of all alerts and panels, by where they are.
func expressions(t *testing.T) map[string]string {
	all := map[string]string{}
	for name, rule := range rulesOf(t) {
		_, rest, _ := strings.Cut(rule, "expr: ")
		all[name], _, _ = strings.Cut(rest, "\n")
	}
	for _, p := range dashboardOf(t).Panels {
		for _, target := range p.Targets {
			all["panel "+p.Title+" "+target.RefID] = target.Expr
		}
	}
	return all
}

// A dashboard is what Grafana's JSON must say of one, as far as we use it.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type string }
	}
	Panels []struct {
		ID          int
		Type, Title string
		Datasource  struct{ Type, UID string }
		GridPos     struct{ H, W, X, Y int }
		Targets     []struct {
			RefID, Expr string
			Datasource  struct{ Type, UID string }
		}
	}
}

func dashboardOf(t *testing.T) (d dashboard) {
	require.NoError(t, json.Unmarshal(read(t, filepath.Join(monitoring, "grafana.json")), &d))
	return d
}

// The dashboard is one that Grafana takes: panels with ids of their own that do not
// overlap, in rows, all from the data source that the reader picks.
func TestDashboard(t *testing.T) {
	t.Parallel()
	d := dashboardOf(t)
	require.Equal(t, []any{"Betonica", "betonica", 38}, []any{d.Title, d.UID, d.SchemaVersion})
	require.Equal(t, "datasource", d.Templating.List[0].Name)
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	var rows []string
	for _, p := range d.Panels {
		require.False(t, ids[p.ID], p.Title)
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				require.Empty(t, taken[cell], p.Title)
				require.Less(t, cell[0], 24, p.Title)
				taken[cell] = p.Title
			}
		}
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		require.Contains(t, []string{"timeseries", "stat", "table"}, p.Type)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			require.Equal(t, []string{"prometheus", "${datasource}"}, []string{target.Datasource.Type, target.Datasource.UID}, p.Title)
		}
	}
	require.Equal(t, []string{"At a glance", "Issuance", "Store", "Revocation", "OCSP", "Relying parties", "The CA's own", "Replicas", "Alerts", "Delivery"}, rows)
}

// foreign are metrics that others tell.
var foreign = []string{"up"}

// monitored checks that whatever alerts and dashboard look at is told, under labels and
// with values that there are.
func monitored(t *testing.T, text string) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	told, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	n := 0
	for where, expr := range expressions(t) {
		all := mentions(expr)
		require.NotEmpty(t, all, where)
		for _, m := range all {
			if slices.Contains(foreign, m.metric) {
				continue
			}
			n++
			family := familyOf(told, m.metric)
			require.NotNil(t, family, "%s: no daemon tells %s", where, m.metric)
			require.True(t, slices.ContainsFunc(family.Metric, func(one *dto.Metric) bool { return m.matches(one) }), "%s: no %s is like %v", where, m.metric, m.labels)
		}
	}
	require.Greater(t, n, 80)
}

// familyOf finds the metric that a name of PromQL belongs to.
func familyOf(told map[string]*dto.MetricFamily, name string) *dto.MetricFamily {
	if f := told[name]; f != nil {
		return f
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && told[base] != nil && told[base].GetType() == dto.MetricType_HISTOGRAM {
			return told[base]
		}
	}
	return nil
}

// matches says whether a metric has the labels of a selector, but for those that
// Prometheus adds.
func (m mention) matches(one *dto.Metric) bool {
	labels := map[string]string{}
	for _, l := range one.Label {
		labels[l.GetName()] = l.GetValue()
	}
	for _, name := range slices.Sorted(maps.Keys(m.labels)) {
		if name == "instance" || name == "job" || name == "le" {
			continue
		}
		value, known := labels[name]
		operator := m.labels[name]
		var is bool
		switch {
		case strings.HasPrefix(operator, "=~"):
			is = regexp.MustCompile("^(" + operator[2:] + ")$").MatchString(value)
		case strings.HasPrefix(operator, "!~"):
			is = !regexp.MustCompile("^(" + operator[2:] + ")$").MatchString(value)
		case strings.HasPrefix(operator, "!="):
			is = value != operator[2:]
		default:
			is = value == operator[1:]
		}
		if !known || !is {
			return false
		}
	}
	return true
}
