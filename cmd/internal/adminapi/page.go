package adminapi

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

// Limits of one page.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// A Page is one stretch of a list.
type Page[T any] struct {
	// Items is never null: an empty list is [].
	Items []T `json:"items"`
	// Next asks for the page that follows; empty on the last one.
	Next string `json:"next_page_token,omitempty"`
	// Note says, on the last page, what belongs to the list and is kept elsewhere.
	Note string `json:"note,omitempty"`
}

// PageRequest says which stretch of a list is wanted. The zero value is the
// first page, of [DefaultLimit] items.
type PageRequest struct {
	Token string // of the page before, as it came
	Limit int    // at most MaxLimit; 0: DefaultLimit
}

func (p PageRequest) addTo(q url.Values) {
	set(q, "page_token", p.Token)
	if p.Limit != 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
}

// All walks a list from its first page to its last, and ends at the first
// error, which it yields beside a zero item. list is one of the Client's
// methods with its filter bound:
//
//	adminapi.All(ctx, func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Identity], error) {
//		return client.Identities(ctx, filter, p)
//	})
func All[T any](ctx context.Context, list func(context.Context, PageRequest) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		at := PageRequest{Limit: MaxLimit}
		for {
			page, err := list(ctx, at)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			at.Token = page.Next
		}
	}
}

// set adds a parameter unless it is empty.
func set(q url.Values, key, value string) {
	if value != "" {
		q.Set(key, value)
	}
}
