package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/cmd/internal/doctor"
	"github.com/betonica/betonica/store/audit/plain/plaintest"
)

// What names of files, errors and a database that somebody else has written say is shown
// in as many lines as if they were harmless, none of its characters acts on a terminal,
// and JSON stays what it is. betonica's test of this name has the formats that the log
// leaves in.
func TestNoInjection(t *testing.T) {
	t.Parallel()
	show := func(s string) map[string]string {
		r := doctor.Report{Checks: []doctor.Result{{Name: "disk", Findings: []doctor.Finding{{What: s, Do: s}}}}}
		var report, journals bytes.Buffer
		require.NoError(t, writeReport(&report, r))
		for _, c := range []archive.Check{{Origin: s, Err: errors.New(s)}, {Origin: s, Removed: 1, Forked: &time.Time{}}} {
			tellJournal(&journals, c)
		}
		return map[string]string{"doctor's table": tableOf(r), "doctor's JSON": report.String(), "audit verify": journals.String()}
	}
	harmless := show("x")
	for what, s := range plaintest.Hostile() {
		for format, out := range show(s) {
			require.Equal(t, strings.Count(harmless[format], "\n"), strings.Count(out, "\n"), "%s begins a line of %s", what, format)
			require.True(t, utf8.ValidString(out), "%s in %s", what, format)
			require.Negative(t, strings.IndexFunc(strings.ReplaceAll(out, "\n", ""), func(r rune) bool { return !unicode.IsPrint(r) }), "%s in %s: %q", what, format, out)
			if strings.HasSuffix(format, "JSON") {
				require.True(t, json.Valid([]byte(out)), "%s in %s", what, format)
			}
		}
		var shown bytes.Buffer
		tellAll(&shown, "error: "+s)
		require.Negative(t, strings.IndexFunc(strings.ReplaceAll(shown.String(), "\n", ""), func(r rune) bool { return !unicode.IsPrint(r) }), "%s in an error", what)
	}
}
