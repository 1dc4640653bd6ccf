package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// issuersText is one line for each intermediate, once there is more than one.
func issuersText(all []adminapi.Intermediate, now time.Time) string {
	if len(all) < 2 {
		return ""
	}
	var lines []string
	for _, one := range all {
		line := fmt.Sprintf("%s %s: %d live", one.Subject, one.State, one.Certificates)
		if !one.LastNotAfter.IsZero() {
			line += ", the last until " + stamp(one.LastNotAfter, now)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// rotationText says how far the change to the next intermediate is.
func rotationText(r *adminapi.Rotation, now time.Time) string {
	if r == nil {
		return ""
	}
	done := fmt.Sprintf("%d of %d certificates are of the next intermediate", r.Done, r.Total)
	switch r.State {
	case "known":
		return "the next intermediate issues from " + stamp(r.Begins, now)
	case "held":
		return "stopped before the next intermediate issued: betonicad rotate --resume"
	case "back":
		return "back: the earlier intermediate issues; " + done
	case "stopped":
		return "stopped; " + done
	case "done":
		return "done: " + done
	}
	if r.Seconds > 0 {
		return fmt.Sprintf("%s, all have been asked by %s", done, stamp(r.Since.Add(time.Duration(r.Seconds)*time.Second), now))
	}
	return fmt.Sprintf("%s, the last other one ends %s", done, stamp(r.Ends, now))
}
