package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

// Exit codes. They are an interface: scripts read them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitCancelled   = 3
	exitNotAllowed  = 4
	exitNotFound    = 5
	exitConflict    = 6
	exitDenied      = 7 // by policy
	exitUnreachable = 8 // or overloaded: trying again makes sense
)

// exitCode tells a script what kind of error it was.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*conflictError](err); ok {
		return exitConflict
	}
	if status, typ, ok := problemOf(err); ok {
		return problemCode(status, typ)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return exitCancelled
	case errors.Is(err, agent.ErrNotEnrolled), errors.Is(err, errNotOnRecord), errors.Is(err, errNoRequest):
		return exitNotFound
	case errors.Is(err, errLinesDiffer):
		return exitConflict
	case errors.Is(err, client.ErrNotCA): // it is also the reason why adminapi had no answer
		return exitFailed
	case errors.Is(err, client.ErrUnreachable), errors.Is(err, adminapi.ErrUnreachable):
		return exitUnreachable
	}
	return exitFailed
}

// problemOf returns what the CA answered, whichever API it was asked by.
func problemOf(err error) (status int, typ string, ok bool) {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return p.Status, p.Type, true
	}
	if p, ok := errors.AsType[*adminapi.Problem](err); ok {
		return p.Status, p.Type, true
	}
	return 0, "", false
}

func problemCode(status int, typ string) int {
	switch {
	case typ == api.ProblemDenied:
		return exitDenied
	case status == http.StatusBadRequest:
		return exitUsage
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return exitNotAllowed
	case status == http.StatusNotFound:
		return exitNotFound
	case status == http.StatusConflict:
		return exitConflict
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return exitUnreachable
	}
	return exitFailed
}

// A usageError is a command line that makes no sense.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// A conflictError is that something is not in the state that the command line takes it
// to be in.
type conflictError struct{ text string }

func (e *conflictError) Error() string { return e.text }

// noArgs refuses arguments beside flags.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, and got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// oneArg wants exactly one argument, called what.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%s takes one %s, and got %d; see %s --help", cmd.CommandPath(), what, len(args), cmd.CommandPath())
		}
		return nil
	}
}

// needs names the first of these flags that has no value.
func needs(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if cmd.Flags().Lookup(name).Value.String() == "" {
			return usagef("%s needs --%s; see %s --help", cmd.CommandPath(), name, cmd.CommandPath())
		}
	}
	return nil
}

// An advice is an error with the command that may help.
type advice struct {
	err  error
	next string
}

func (e *advice) Error() string { return e.err.Error() }
func (e *advice) Unwrap() error { return e.err }

// advise adds next to err if its exit code is one of codes.
func advise(err error, next string, codes ...int) error {
	for _, code := range codes {
		if exitCode(err) == code {
			return &advice{err, next}
		}
	}
	return err
}

// report says on stderr what happened, why, and what to do next.
func report(env environment, err error) {
	if err == nil {
		return
	}
	w := &cleanWriter{env.stderr}
	fmt.Fprintf(w, "error: %v\n", err)
	next := ""
	if a, ok := errors.AsType[*advice](err); ok {
		next = a.next
	} else if p, ok := errors.AsType[*api.Problem](err); ok && p.RetryAfter > 0 {
		next = "try again in " + span(p.RetryAfter)
	} else if status, _, answered := problemOf(err); answered && status == http.StatusServiceUnavailable {
		next = "betonicad doctor, on the CA's host, says what keeps it from that; then run the same command again"
	} else if answered && status == http.StatusTooManyRequests {
		next = "run the same command again in a minute"
	} else if exitCode(err) == exitUnreachable {
		next = "check the address; the same command may be run again once the CA answers"
	}
	if next != "" {
		fmt.Fprintf(w, "next:  %s\n", next)
	}
}
