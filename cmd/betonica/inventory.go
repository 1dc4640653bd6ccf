package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// inventoryColumns are those that a list of devices may have.
var inventoryColumns = []string{"serial", "name", "owner", "site", "ek_sha256", "dns", "ips"}

// maxInventoryLine is the longest line that can make sense, in bytes.
const maxInventoryLine = 16 << 10

// A lineError says why a line is refused. Those after it are read all the same.
type lineError struct{ why string }

func (e *lineError) Error() string { return e.why }

func badLine(format string, args ...any) error { return &lineError{fmt.Sprintf(format, args...)} }

// An inventoryReader reads a list of devices, comma-separated (RFC 4180), line by line:
// it holds one of them. A cell has no line break in it, so that no device can hide in
// another's quotes.
type inventoryReader struct {
	in      *bufio.Reader
	line    int   // that was read last, from 1
	bytes   int64 // read so far
	columns []string
}

// newInventoryReader reads the line that names the columns. Its error is for whoever
// wrote the file.
func newInventoryReader(in io.Reader) (*inventoryReader, error) {
	r := &inventoryReader{in: bufio.NewReaderSize(in, maxInventoryLine)}
	head, err := r.cells()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it is empty: the first line names the columns, of %s", strings.Join(inventoryColumns, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", r.line, err)
	}
	for _, name := range head {
		name = strings.TrimSpace(name)
		switch {
		case slices.Contains(r.columns, name):
			return nil, fmt.Errorf("line %d: column %q is there twice", r.line, name)
		case strings.Contains(name, ";") || strings.Contains(name, "\t"):
			return nil, fmt.Errorf("line %d: columns are separated by commas", r.line)
		case !slices.Contains(inventoryColumns, name):
			return nil, fmt.Errorf("line %d: there is no column %.40q; those are %s", r.line, name, strings.Join(inventoryColumns, ", "))
		}
		r.columns = append(r.columns, name)
	}
	if !slices.Contains(r.columns, "serial") {
		return nil, fmt.Errorf("line %d: it has to name the columns, serial among them", r.line)
	}
	return r, nil
}

// next returns the next device, a [*lineError] for a line that is none, or [io.EOF]. The
// line's number is in r.line, of what is on several lines the last one's.
func (r *inventoryReader) next() (adminapi.ImportLine, error) {
	for {
		cells, err := r.cells()
		if err != nil {
			return adminapi.ImportLine{}, err
		}
		if !slices.ContainsFunc(cells, func(c string) bool { return c != "" }) {
			continue // a spreadsheet's empty row
		}
		if len(cells) != len(r.columns) {
			return adminapi.ImportLine{}, badLine("it has %s, and there are %d columns", many(len(cells), "cell", "cells"), len(r.columns))
		}
		return r.device(cells), nil
	}
}

// device puts each cell where its column belongs.
func (r *inventoryReader) device(cells []string) (l adminapi.ImportLine) {
	several := func(cell string) []string {
		return strings.FieldsFunc(cell, func(c rune) bool { return c == ' ' || c == ';' })
	}
	for i, name := range r.columns {
		switch cell := strings.Trim(cells[i], " "); name {
		case "serial":
			l.Serial = cell
		case "name":
			l.Name = cell
		case "owner":
			l.Owner = cell
		case "site":
			l.Site = cell
		case "ek_sha256":
			l.EK = cell
		case "dns":
			l.DNSNames = several(cell)
		case "ips":
			l.IPs = several(cell)
		}
	}
	return l
}

// cells returns those of the next line that is not empty.
func (r *inventoryReader) cells() ([]string, error) {
	for {
		text, err := r.text()
		if err != nil {
			return nil, err
		}
		if r.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if bytes.Count(text, []byte(`"`))%2 != 0 {
			return nil, r.skipQuoted()
		}
		if !utf8.Valid(text) {
			return nil, badLine("it is not UTF-8: write the file as CSV in UTF-8")
		}
		one := csv.NewReader(bytes.NewReader(text))
		one.FieldsPerRecord = -1
		cells, err := one.Read()
		if err != nil {
			return nil, badLine("its quotes are not those of CSV: a cell that holds one is in quotes, and has each twice")
		}
		return cells, nil
	}
}

// skipQuoted leaves out all up to the line that closes a quote.
func (r *inventoryReader) skipQuoted() error {
	first := r.line
	for {
		text, err := r.text()
		if _, long := errors.AsType[*lineError](err); long {
			continue
		}
		if errors.Is(err, io.EOF) {
			return badLine("a quote that line %d opens is closed nowhere: nothing is read from there on", first)
		}
		if err != nil {
			return err
		}
		if bytes.Count(text, []byte(`"`))%2 != 0 {
			return badLine("a cell has a line break in it: lines %d to %d", first, r.line)
		}
	}
}

// text returns the next line without its end. It is good until the next call.
func (r *inventoryReader) text() ([]byte, error) {
	text, err := r.in.ReadSlice('\n')
	if len(text) == 0 && err != nil {
		return nil, err
	}
	r.line++
	r.bytes += int64(len(text))
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			text, err = r.in.ReadSlice('\n')
			r.bytes += int64(len(text))
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, badLine("it is longer than %d bytes", maxInventoryLine)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r")), nil
}
