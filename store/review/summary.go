package review

import "time"

// A Summary is what is in a part of the log. Its texts are clean: what strangers chose is
// printable, and cut.
type Summary struct {
	Since time.Time `json:"since"` // the period that was asked for
	Until time.Time `json:"until"`
	First int64     `json:"first"` // the entries that were read, all of them
	Last  int64     `json:"last"`
	Root  string    `json:"root"` // hash of the tree of the log's first Last entries; empty: some are not there

	Compared int     `json:"compared"` // spans of the same length before, that there is a log of
	Groups   []Group `json:"groups"`   // what is unusual; those that have something in them
	Ordinary []Line  `json:"ordinary"` // the rest, by action

	// Acts are what people did by their rights, by person, the one who did most first.
	// Looking and saying a word are none.
	Acts []Act `json:"acts"`

	// Again says that a part of it was reviewed before.
	Again bool `json:"again,omitempty"`
}

// Entries is how many were read.
func (s *Summary) Entries() int64 { return s.Last - s.First + 1 }

// Counts are those of the groups, by name.
func (s *Summary) Counts() map[string]int64 {
	counts := make(map[string]int64, len(s.Groups))
	for _, g := range s.Groups {
		counts[g.Name] = g.Count
	}
	return counts
}

// A Group is one kind of what is unusual.
type Group struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Count int64  `json:"count"` // entries
	Lines []Line `json:"lines"`
	Rest  int64  `json:"rest,omitempty"` // entries that are in none of the lines
}

// A Line is what several entries have in common.
type Line struct {
	What    string  `json:"what"`
	Count   int64   `json:"count"`
	AtLeast bool    `json:"at_least,omitempty"` // there may be more
	Entries []int64 `json:"entries,omitempty"`  // the first of them
}

// An Act is what one person did.
type Act struct {
	Person string `json:"person"` // as the log names who acts: a path, or "uid:0"
	Count  int64  `json:"count"`
	New    bool   `json:"new,omitempty"` // had not acted in the spans before
}
