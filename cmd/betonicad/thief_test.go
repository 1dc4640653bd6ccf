package main_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// A theft is a line of the table that says what a thief gets.
type theft struct{ has, does, answered, onRecord, alarm string }

// What a thief gets is what the table says, line by line: the daemon's answer, the entry in
// its log, and the alarm, or none. Some certificates here last seconds: it goes on alone.
func TestThief(t *testing.T) {
	w := newThiefWorld(t)
	lines := thefts(t)
	require.NotEmpty(t, lines)
	played := w.plays()
	for _, line := range lines {
		t.Run(line.has+", "+line.does, func(t *testing.T) {
			w.t = t
			play, ok := played[[2]string{line.has, line.does}]
			require.True(t, ok, "nobody plays this line")
			delete(played, [2]string{line.has, line.does})
			before, alarms := w.newest(), w.alarms()
			require.Equal(t, line.answered, play())
			if line.onRecord != "nothing" {
				w.await(line.onRecord, before)
			}
			raised := w.alarms()
			for action, n := range alarms {
				if raised[action] == n {
					delete(raised, action)
				}
			}
			if line.alarm == "none" {
				require.Empty(t, raised)
				return
			}
			require.Contains(t, raised, line.alarm)
		})
	}
	require.Empty(t, played, "lines that the table lacks")
}

// thefts reads the table.
func thefts(t *testing.T) (lines []theft) {
	text, err := os.ReadFile("../../testdata/devices/thief.md")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 || strings.Contains(line, "---") || strings.Contains(line, "the thief has") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		lines = append(lines, theft{cells[0], cells[1], cells[2], cells[3], cells[4]})
	}
	return lines
}

// newest is the number of the log's newest entry.
func (w *thiefWorld) newest() int64 {
	page, err := w.admin.Audit(w.t.Context(), adminapi.AuditFilter{}, adminapi.PageRequest{Limit: 1})
	require.NoError(w.t, err)
	require.NotEmpty(w.t, page.Items)
	return page.Items[0].Seq
}

// await waits for an entry with that action after the one of that number: what strangers
// do is recorded a moment later.
func (w *thiefWorld) await(action string, after int64) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		page, err := w.admin.Audit(w.t.Context(), adminapi.AuditFilter{Action: action}, adminapi.PageRequest{Limit: 20})
		return err == nil && slices.ContainsFunc(page.Items, func(e adminapi.Entry) bool { return e.Seq > after })
	}, patience, tickOf, "%s is not on record", action)
}

// alarms returns the alarms that were raised so far.
func (w *thiefWorld) alarms() map[string]string {
	counts := make(map[string]string)
	for line := range strings.Lines(w.d.metrics(w.t)) {
		if rest, ok := strings.CutPrefix(line, `betonica_alarms_total{action="`); ok {
			action, n, _ := strings.Cut(strings.TrimSpace(rest), `"} `)
			counts[action] = n
		}
	}
	return counts
}
