package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// Status says which receiver of the log is late, takes nothing, or refuses some of it.
func TestDeliveryText(t *testing.T) {
	since := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for want, all := range map[string][]adminapi.Delivery{
		"":                                     nil,
		"all of 2 receivers":                   {{Sink: "siem"}, {Sink: "fhir", Behind: 300, Waiting: 7}},
		"fhir is 5 min behind, 7 entries wait": {{Sink: "siem"}, {Sink: "fhir", Behind: 301, Waiting: 7}},
		"siem takes nothing, 2 entries wait: connection reset": {{Sink: "siem", Waiting: 2, Failing: &since, Trouble: "connection reset"}},
		"a is 2 h behind, 1 entries wait; b refused 3 of the last day: see betonica audit list --action delivery.refuse": {
			{Sink: "a", Behind: 7200, Waiting: 1}, {Sink: "b", Refused: 3},
		},
	} {
		require.Equal(t, want, deliveryText(all))
	}
}
