package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/betonica/betonica/store"
)

// whenReplaced says what to do about a database file that is not where the daemon opened
// it. As long as the daemon runs it has the file, wherever that is, and with it all that
// was ever recorded.
func (c *Case) whenReplaced() string {
	remedy := store.TroubleReplaced.Remedy()
	file, sqlite := c.Config.Database()
	pid := c.Holder
	if c.Daemon != nil && c.Daemon.PID != 0 {
		pid = c.Daemon.PID
	}
	if !sqlite || pid == 0 {
		return remedy
	}
	return rescue(file, openFiles(fmt.Sprintf("/proc/%d/fd", pid)), remedy)
}

// An openFile is a file that a process has open.
type openFile struct {
	name     string // its last
	deleted  bool   // it has none any more
	path     string // leads to it all the same
	database bool   // of SQLite, by its head
}

// openFiles returns what a process has open, by proc(5); none if that cannot be read.
func openFiles(dir string) (all []openFile) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		name, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(name, "/") { // a socket, for one
			continue
		}
		name, deleted := strings.CutSuffix(name, " (deleted)")
		all = append(all, openFile{name, deleted, path, isDatabase(path)})
	}
	return all
}

// isDatabase knows an SQLite file. What is no regular file is not opened.
func isDatabase(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	is, err := store.IsSQLite(path)
	return err == nil && is
}

// rescue says how the database that a process has open gets back to its name; otherwise
// what else to do.
func rescue(file string, open []openFile, otherwise string) string {
	has := map[string]openFile{} // by the last name; what was deleted is what the process opened
	away := ""
	for _, one := range open {
		if before, ok := has[one.name]; !ok || one.deleted && !before.deleted {
			has[one.name] = one
		}
		if one.database && one.name != file && !one.deleted {
			away = one.name
		}
	}
	if has[file].deleted || has[file+"-wal"].deleted {
		return kept(file, has)
	}
	if away == "" {
		return otherwise
	}
	var moves []string
	for _, suffix := range []string{"", "-wal"} {
		if _, ok := has[away+suffix]; ok {
			moves = append(moves, fmt.Sprintf("mv --backup %s%s %s%s", away, suffix, file, suffix))
		}
	}
	return "run " + strings.Join(moves, " && ") + "; the daemon goes on by itself"
}

// kept says how to copy what a process has open before it is gone with it. The log, which
// belongs to the file and to no other, comes first: what is copied from it into the file
// meanwhile is then in both.
func kept(file string, has map[string]openFile) string {
	var copies, moves []string
	for _, suffix := range []string{"-wal", ""} {
		if one, ok := has[file+suffix]; ok {
			copies = append(copies, fmt.Sprintf("cp -p %s %s.kept%s", one.path, file, suffix))
			moves = append(moves, fmt.Sprintf("mv --backup %s.kept%s %s%s", file, suffix, file, suffix))
		}
	}
	return fmt.Sprintf("the daemon still has it, and it is lost when that ends: first run %s; then stop the daemon, run %s, and start it again",
		strings.Join(copies, " && "), strings.Join(moves, " && "))
}
