package deliver

import (
	"context"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

// A Record is an entry that leaves, opened as far as it opens.
type Record struct {
	Entry  audit.Entry
	Source atna.Source // the log that it is of
}

// Message returns the record ready to be written in healthcare's formats. Its ID is the
// same whenever the record is given.
func (r Record) Message() *atna.Message { return atna.New(r.Entry, r.Source) }

// A Sink takes records for somebody else, in the order of their log. It is used by one
// goroutine at a time.
type Sink interface {
	// Send hands the batch over, in order, and returns how many of its first records
	// were taken for good: they are not given again, unless the daemon dies before that
	// is on disk. The rest comes again, after a pause if err is not nil. It gives up when
	// ctx is done.
	//
	// A [*RefusedError] says that the first record that was not taken never will be:
	// after some tries it is passed over, which is put on record. Any other error is the
	// receiver's trouble, and is waited for however long it lasts.
	Send(ctx context.Context, batch []Record) (taken int, err error)

	// Close gives back what the sink holds. Send is not called after it.
	Close() error
}

// A Runner is a [Sink] that has something to do between records, too. The engine runs it
// beside Send, and closes the sink when both have ended.
type Runner interface {
	// Run returns when ctx ends.
	Run(ctx context.Context) error
}

// A RefusedError reports that a receiver understood a record and does not want it, as
// with HTTP 400 or 422, or that no message can be made of it that the receiver's protocol
// carries.
type RefusedError struct {
	// Answer is what the receiver said, as it came: whoever shows it cleans and cuts it.
	Answer string
}

func (e *RefusedError) Error() string { return "the receiver refuses the record: " + e.Answer }
