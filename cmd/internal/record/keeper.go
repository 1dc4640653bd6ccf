package record

import "context"

// A Keeper is where a gate puts its records: a journal. It is declared here, once for
// all gates. Both methods are for concurrent use.
type Keeper interface {
	// Ready returns nil if a record can be kept now. If not, there is no access:
	// the gate answers so in its protocol's words. It is cheap: ask for each access.
	Ready() error

	// Keep puts the record down. When it returns nil the record is on disk, or will be
	// within a second if the guard's setting says so. After an error it is not known
	// whether it is: what waits for it must not go on. ctx bounds only the wait for a
	// place in the queue; a record that is being written is waited for.
	Keep(ctx context.Context, r Record) error
}
