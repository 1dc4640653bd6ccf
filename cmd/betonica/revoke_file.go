package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// revocationReasons are the names that --reason and the lines of a file take.
var revocationReasons = []string{
	"unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn",
}

// A listed is one line of a file that says what to revoke.
type listed struct {
	line int // from 1
	adminapi.RevocationItem
}

// target is what the line names.
func (l listed) target() string { return l.Identity + l.Serial }

// A revocationFile is what a file says, each identity and each certificate once.
type revocationFile struct {
	name     string // "-" is standard input
	items    []listed
	repeated int // lines that say again what one before them says
}

// errBadLines is a file of which some lines make no sense.
var errBadLines = errors.New("nothing was revoked")

// readRevocations reads a whole file: one <role>/<name> or serial number in hex a line,
// and behind it, after a blank, a reason, or else reason; '#' begins a comment. Each
// line that makes no sense is named on stderr, and then nothing is to be done at all.
func readRevocations(env environment, name, reason string) (*revocationFile, error) {
	if reason != "" && !slices.Contains(revocationReasons, reason) {
		return nil, usagef("--reason is one of %s", strings.Join(revocationReasons, ", "))
	}
	in := env.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	file := &revocationFile{name: name}
	lines, bad := 0, 0
	seen := make(map[string]int) // target: index of its item
	for text, err := range linesOf(in) {
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		lines++
		item, err := parseRevocation(text, reason)
		if err == nil && item.target() != "" {
			item.line = lines
			if first, ok := seen[item.target()]; !ok {
				seen[item.target()] = len(file.items)
				file.items = append(file.items, item)
			} else if file.repeated++; file.items[first].Reason != item.Reason {
				err = fmt.Errorf("line %d gives another reason for it", file.items[first].line)
			}
		}
		if err != nil {
			bad++
			fmt.Fprintf(env.stderr, "%s:%d: %v\n", name, lines, err)
		}
	}
	if bad > 0 {
		return nil, usagef("%s of %s: %v", count(bad, "bad line"), name, errBadLines)
	}
	return file, nil
}

// maxLine is the longest line that can make sense, comments aside.
const maxLine = 4096

// linesOf yields the lines of a text, without their ends.
func linesOf(in io.Reader) func(func(string, error) bool) {
	return func(yield func(string, error) bool) {
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, maxLine)
		first := true
		for scanner.Scan() {
			text := scanner.Bytes()
			if first {
				text = bytes.TrimPrefix(text, []byte("\ufeff"))
			}
			first = false
			if !yield(string(text), nil) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			yield("", err)
		}
	}
}

// parseRevocation reads one line. An empty one is an item without a target.
func parseRevocation(text, reason string) (item listed, err error) {
	text, _, _ = strings.Cut(text, "#")
	fields := strings.Fields(text)
	item.Reason = reason
	switch len(fields) {
	case 0:
		return listed{}, nil
	case 1:
	case 2:
		item.Reason = fields[1]
		if !slices.Contains(revocationReasons, item.Reason) {
			return listed{}, fmt.Errorf("%.40q is not a reason; those are %s", item.Reason, strings.Join(revocationReasons, ", "))
		}
	default:
		return listed{}, fmt.Errorf("%.40q is neither a comment nor a reason", strings.Join(fields[2:], " "))
	}
	target := fields[0]
	if role, name, ok := strings.Cut(target, "/"); ok {
		if !isPart(role) || !isPart(name) {
			return listed{}, fmt.Errorf("%.80q is not a ROLE/NAME", target)
		}
		item.Identity = target
		return item, nil
	}
	item.Serial = strings.ToLower(target)
	if len(item.Serial) != 32 || strings.Trim(item.Serial, "0123456789abcdef") != "" {
		return listed{}, fmt.Errorf("%.80q is neither a ROLE/NAME nor a serial number of 32 hexadecimal digits", target)
	}
	return item, nil
}

// isPart reports whether text can be a role or a name.
func isPart(text string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return len(text) > 0 && len(text) <= 64 && strings.Trim(text, letters) == ""
}

// counts returns how many identities and certificates the file names.
func (f *revocationFile) counts() (identities, certificates int) {
	for _, item := range f.items {
		if item.Identity != "" {
			identities++
		} else {
			certificates++
		}
	}
	return identities, certificates
}
