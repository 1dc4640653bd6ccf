package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// replicasSummary says in words how many daemons share the database, if there is more
// than one.
func replicasSummary(all []adminapi.Replica) string {
	if len(all) < 2 {
		return ""
	}
	live := 0
	for _, r := range all {
		if r.Live {
			live++
		}
	}
	return fmt.Sprintf("%d, %d live", len(all), live)
}

// writeReplicas lists them below the status, if there is more than one.
func writeReplicas(env environment, all []adminapi.Replica) error {
	if len(all) < 2 {
		return nil
	}
	now := env.now()
	fmt.Fprintln(env.stdout)
	return writeTable(env.stdout, []column[adminapi.Replica]{
		{"REPLICA", func(r adminapi.Replica) string { return r.Name }},
		{"STATE", replicaState},
		{"SEEN", func(r adminapi.Replica) string { return strconv.FormatInt(r.Seen, 10) }},
		{"STARTED", func(r adminapi.Replica) string { return relative(r.Started, now) }},
		{"VERSION", func(r adminapi.Replica) string { return r.Version }},
		{"URL", func(r adminapi.Replica) string { return r.URL }},
	}, func(yield func(adminapi.Replica, error) bool) {
		for r := range slices.Values(all) {
			if !yield(r, nil) {
				return
			}
		}
	})
}

func replicaState(r adminapi.Replica) string {
	if !r.Live {
		return "gone"
	}
	words := []string{"live"}
	if r.Eldest {
		words = append(words, "eldest")
	}
	if r.Self {
		words = append(words, "asked")
	}
	return strings.Join(words, ", ")
}
