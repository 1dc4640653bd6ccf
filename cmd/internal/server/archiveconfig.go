package server

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/betonica/betonica/cmd/internal/archive"
)

// ArchiveConfig is [archive]: how much the CA keeps of the journals that guards ship.
type ArchiveConfig struct {
	// MaxBytes is how much of all machines. When it is reached, no more is taken until it
	// is raised; guards keep what is not taken, as long as they have room. From 1048576,
	// 1 MiB, up; 0 for any. Default: half of the disk that the store is on; 0 for
	// PostgreSQL.
	MaxBytes *ArchiveBytes `toml:"max_bytes"`
	// DailyBytes is how much of one machine in a day, in UTC. From 1048576 up, or 0 for
	// any. Default 2147483648, 2 GiB.
	DailyBytes *ArchiveBytes `toml:"daily_bytes"`
}

// ArchiveBytes is a number of bytes from 1 MiB up, or 0 for any.
type ArchiveBytes struct{ N int64 }

// UnmarshalText takes a number.
func (b *ArchiveBytes) UnmarshalText(text []byte) (err error) {
	b.N, err = strconv.ParseInt(string(text), 10, 64)
	if err != nil || b.N != 0 && b.N < 1<<20 {
		return fmt.Errorf("%s is no size for an archive; it must be from 1048576 bytes up, or 0 for any", text)
	}
	return nil
}

const dailyBytes = 2 << 30

// ArchiveBounds is what [archive] says, with defaults filled in.
func (c *Config) ArchiveBounds() archive.Bounds {
	b := archive.Bounds{Journals: archive.MaxJournals, Daily: dailyBytes}
	if own := c.Archive.DailyBytes; own != nil {
		b.Daily = own.N
	}
	if own := c.Archive.MaxBytes; own != nil {
		b.Total = own.N
	} else if file, ok := c.Database(); ok {
		if disk, err := DiskOf(filepath.Dir(file)); err == nil { // if not, the store does not open either
			b.Total = int64(disk.Size / 2)
		}
	}
	return b
}
