package doctor

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
)

// Room that there should be: below least nothing may be recorded soon, below wanted
// somebody should look.
const (
	leastRoom  = 256 << 20
	wantedRoom = 2 << 30
)

// disk tells whether there is room where the daemon writes, and the ballast that keeps
// revoking possible on a full disk.
func disk(_ context.Context, c *Case) []Finding {
	if c.Config == nil {
		return c.without()
	}
	var found []Finding
	disks := c.Config.Disks(c.Dir)
	if last, err := server.ReadBackup(c.Dir); err == nil && filepath.IsAbs(last.File) {
		disks["backup"] = filepath.Dir(last.File)
	}
	least := uint64(1 << 63)
	for _, of := range slices.Sorted(maps.Keys(disks)) {
		d, err := server.DiskOf(disks[of])
		switch {
		case err != nil:
			found = append(found, fail("make the folder, or mount what belongs there", "%s: %v", of, err))
			continue
		case d.Free < leastRoom:
			found = append(found, fail("make room: on a full disk nothing is issued", "%s: %d MiB free in %s", of, d.Free>>20, disks[of]))
		case d.Free < wantedRoom:
			found = append(found, warn("make room before the disk is full", "%s: %d MiB free in %s", of, d.Free>>20, disks[of]))
		}
		least = min(least, d.Free)
	}
	if file, sqlite := c.Config.Database(); sqlite {
		if _, err := os.Stat(file + ".ballast"); err != nil {
			found = append(found, warn("make room, and restart the daemon, which reserves it again",
				"the ballast %s.ballast is not there: on a full disk nothing could be revoked", file))
		}
		if wal, err := os.Stat(file + "-wal"); err == nil && wal.Size() > 1<<30 {
			found = append(found, warn("see the daemon's log for why it cannot be copied into the database; a program that reads the file for long keeps it from that",
				"%s-wal is %d MiB", file, wal.Size()>>20))
		}
	}
	if d := c.Daemon; d != nil {
		taken, _ := d.value("betonica_archive_bytes")
		most, _ := d.value("betonica_archive_max_bytes")
		found = append(found, archiveRoom(taken, most)...)
		if on, _ := d.value("betonica_trouble", "trouble", string(store.TroubleDiskFull)); on == 1 {
			found = append(found, trouble(store.TroubleDiskFull, ""))
		}
	}
	return append(orOK(found, "at least %d MiB free wherever the daemon writes", least>>20), migrationCopies(c)...)
}

// archiveRoom tells whether the archive of journals is full, or nearly so.
func archiveRoom(taken, most float64) []Finding {
	const todo = "raise archive.max_bytes in betonica.toml, or see which machine writes so much: journal.refuse in the audit log names those that went beyond their share"
	switch {
	case most == 0 || taken < 0.8*most:
		return nil
	case taken < most:
		return []Finding{warn(todo, "the archive of guards' journals has %.0f MiB of %.0f", taken/(1<<20), most/(1<<20))}
	}
	return []Finding{fail(todo, "the archive of guards' journals is full: nothing more is taken of any guard")}
}
