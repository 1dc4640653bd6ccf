package main

import (
	"context"
	"iter"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// allProposals are few: people make them.
func allProposals(ctx context.Context, daemon *adminapi.Client, open bool) ([]adminapi.Proposal, error) {
	list := func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Proposal], error) {
		return daemon.Proposals(ctx, open, p)
	}
	var all []adminapi.Proposal
	for p, err := range adminapi.All(ctx, list) {
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func proposalColumns(now time.Time) []column[adminapi.Proposal] {
	return []column[adminapi.Proposal]{
		{"PROPOSAL", func(p adminapi.Proposal) string { return p.ID }},
		{"PROPOSED", func(p adminapi.Proposal) string { return relative(p.Created, now) }},
		{"KIND", func(p adminapi.Proposal) string { return p.Kind }},
		{"OF", func(p adminapi.Proposal) string { return p.Subject }},
		{"BY", func(p adminapi.Proposal) string { return p.By }},
		{"STATE", func(p adminapi.Proposal) string { return p.State }},
		{"REASON", func(p adminapi.Proposal) string { return p.Reason }},
	}
}

// both puts proposals behind the machines.
func both(requests iter.Seq2[adminapi.Request, error], proposals []adminapi.Proposal) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for q, err := range requests {
			if !yield(q, err) || err != nil {
				return
			}
		}
		for _, p := range proposals {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func sequence[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range list {
			if !yield(item, nil) {
				return
			}
		}
	}
}
