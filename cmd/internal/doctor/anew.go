package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
)

// whenDamaged says how a CA whose database is damaged is made anew from its last backup. On
// PostgreSQL other daemons share it: there it says what is said to everybody. It says it once.
func (c *Case) whenDamaged() string {
	file, sqlite := c.Config.Database()
	switch {
	case !sqlite:
		return store.TroubleCorrupt.Remedy()
	case c.told:
		return "as above"
	}
	c.told = true
	old := c.Dir + ".damaged"
	for n := 2; exists(old); n++ { // mv would put it inside
		old = fmt.Sprintf("%s.damaged-%d", c.Dir, n)
	}
	backup, identity := "BACKUP", ""
	if last, err := server.ReadBackup(c.Dir); err == nil && last.File != "" {
		backup = last.File
		if len(last.Recipients) > 0 {
			identity = " --identity FILE"
		}
	}
	steps := []string{
		fmt.Sprintf("mv %s %s", c.Dir, old),
		fmt.Sprintf("betonicad restore --dir %s %s%s", c.Dir, backup, identity),
	}
	for _, beside := range []string{c.Config.Audit.Evidence, c.Config.Audit.Archive} { // no backup holds them
		rest, inside := strings.CutPrefix(beside, c.Dir+"/")
		if inside && exists(beside) {
			steps = append(steps, fmt.Sprintf("cp -a %s %s", filepath.Join(old, rest), beside))
		}
	}
	lists := file // where it was moved to
	if rest, inside := strings.CutPrefix(file, c.Dir+"/"); inside {
		lists = filepath.Join(old, rest)
	}
	if dir := c.Config.CRL.PublishDir; dir != "" {
		lists = filepath.Join(dir, "chain.crl.pem")
	}
	steps = append(steps, fmt.Sprintf("betonicad recover --dir %s --from-crl %s", c.Dir, lists))
	return "stop the daemon, and then run " + strings.Join(steps, " && ") + "; where no list can be read there, recover takes --from-peers"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
