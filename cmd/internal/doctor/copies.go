package doctor

import (
	"time"

	"github.com/betonica/betonica/store"
)

// copyWanted is for how long somebody may want to go back to the version of before.
const copyWanted = 30 * 24 * time.Hour

// migrationCopies tells of the copies of the store that were made before its schema
// changed. They take room, and hold what has left the store since.
func migrationCopies(c *Case) []Finding {
	dir, _ := c.Config.MigrationCopies()
	if dir == "" {
		return nil
	}
	copies, err := store.MigrationCopies(dir)
	if err != nil || len(copies) == 0 { // a folder that is not there is made when it is needed
		return nil
	}
	size := int64(0)
	for _, one := range copies {
		size += one.Size
	}
	newest := copies[len(copies)-1]
	say := hint
	if c.Now().Sub(newest.Made) > copyWanted {
		say = warn
	}
	return []Finding{say("delete those that nobody wants to go back to: the daemon needs none of them",
		"copies of the store from before its schema changed take %d MiB, and hold what has left it since; the newest of %d, of %s, is %s",
		size>>20, len(copies), newest.Made.UTC().Format(time.DateOnly), newest.File)}
}
