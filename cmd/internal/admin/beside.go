package admin

import (
	"net/http"
	"sync"

	"github.com/betonica/betonica/enroll"
)

// beside says that what is read is read while the entry is made that says so: what is on
// record at each call and answered at once. An answer that begins before all has been read
// waits for its entry, and a list of who has read does, too.
func (v verb) beside() bool {
	switch v.path {
	case "audit", "records", "alerts", "alerts/{id}":
		return v.method == http.MethodGet
	}
	return false
}

// recordBeside puts on record that somebody reads, and lets him read meanwhile: to write to
// the disk takes as long as to read a page, and neither needs the other. Nothing of the
// answer leaves before the entry is on record; if it cannot be, nothing does, and what the
// reading came to is not told either.
func (a *Admin) recordBeside(v verb, w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	recording := make(chan error, 1)
	go func() { recording <- a.reads(r, by, v.reads) }()
	recorded := sync.OnceValue(func() error { return <-recording })
	defer recorded() // also if the reading panics
	err := v.do(a, &gate{w, recorded}, r, by)
	if unrecorded := recorded(); unrecorded != nil {
		return unrecorded
	}
	return err
}

// A gate is an answer that waits for its entry in the log, and is swallowed if that cannot
// be made. It has nothing else of an http.ResponseWriter's: nobody passes beside it.
type gate struct {
	answer   http.ResponseWriter
	recorded func() error
}

func (g *gate) Header() http.Header { return g.answer.Header() }

func (g *gate) WriteHeader(status int) {
	if g.recorded() == nil {
		g.answer.WriteHeader(status)
	}
}

func (g *gate) Write(b []byte) (int, error) {
	if err := g.recorded(); err != nil {
		return 0, err
	}
	return g.answer.Write(b)
}
