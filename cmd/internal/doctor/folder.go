package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// configuration tells whether configuration and policy can be read.
func configuration(_ context.Context, c *Case) []Finding {
	var found []Finding
	if c.ConfigErr != nil {
		found = append(found, fail("mend the line that is named; until then the daemon does not start", "%v", c.ConfigErr))
	}
	if c.PolicyErr != nil {
		found = append(found, fail("mend the line that is named; a daemon that runs goes on under the policy of before", "%v", c.PolicyErr))
	}
	return orOK(found, "configuration and policy can be read")
}

// folder tells whether DIR and what is in it belong to one user, and are closed to all
// others.
func folder(_ context.Context, c *Case) []Finding {
	info, err := os.Stat(c.Dir)
	if err != nil {
		return []Finding{fail("give the folder of the CA with --dir", "%v", err)}
	}
	owner := ownerOf(info)
	var found []Finding
	n := 0
	judge := func(path string, info fs.FileInfo) {
		n++
		if open := info.Mode().Perm() & 0o077; open != 0 {
			found = append(found, fail("chmod go= "+path, "%s has mode %04o: others than its owner can use it", path, info.Mode().Perm()))
		}
		if uid := ownerOf(info); uid != owner {
			found = append(found, fail(fmt.Sprintf("chown --reference=%s %s", c.Dir, path),
				"%s belongs to uid %d, and the folder to uid %d: the daemon may not be able to use it", path, uid, owner))
		}
	}
	judge(c.Dir, info)
	own := []string{"keys", "archive"} // published files may lie in DIR, too, for others
	for _, dir := range []string{c.Dir, filepath.Join(c.Dir, own[0]), filepath.Join(c.Dir, own[1])} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) && dir == filepath.Join(c.Dir, own[1]) {
			continue // nothing was archived yet
		}
		if err != nil {
			found = append(found, fail("run this as root, or as the user of the daemon", "%v", err))
			continue
		}
		for _, e := range entries {
			info, err := e.Info()
			switch {
			case errors.Is(err, fs.ErrNotExist): // gone meanwhile
			case err != nil:
				found = append(found, fail("", "%v", err))
			case info.Mode().IsRegular() || info.Mode().Type() == fs.ModeSocket || info.IsDir() && slices.Contains(own, e.Name()):
				judge(filepath.Join(dir, e.Name()), info)
			}
		}
	}
	return orOK(found, "%d files of uid %d, closed to all others", n, owner)
}

func ownerOf(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return -1
}
