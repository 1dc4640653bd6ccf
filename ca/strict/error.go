package strict

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// An Error is something wrong at a place of a file.
type Error struct {
	File         string
	Line, Column int // from 1
	Text         string
}

// Error returns it as editors understand it: file:line:column: text.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text)
}

// At places an error: see [Place].
func At(file string, text []byte, err error, path ...any) *Error {
	line, column := Place(text, path...)
	return &Error{file, line, column, err.Error()}
}

// Join returns the errors as one, in the order of their places; nil if there are none.
func Join(errs []*Error) error {
	Sort(errs)
	all := make([]error, len(errs))
	for i, e := range errs {
		all[i] = e
	}
	return errors.Join(all...)
}

// Sort puts errors in the order of their places.
func Sort(errs []*Error) {
	slices.SortStableFunc(errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
}
