package server

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// CollectDisk adds the files of the CA in dir to the metrics, with the disks they are
// on, and when it was backed up last.
func (m *Metrics) CollectDisk(dir string, c *Config) {
	m.registry.MustRegister(&diskCollector{dir, c})
}

type diskCollector struct {
	dir    string
	config *Config
}

var (
	fileDesc      = desc("store_file_bytes", "Size of a file of the SQLite store: database, wal (what is not copied into the database yet), ballast (room kept for revoking on a full disk); 0 if it is not there.", "file")
	diskFreeDesc  = desc("disk_free_bytes", "Room for the daemon on the disk of the store, the evidence, the archive, or the published files.", "of")
	diskSizeDesc  = desc("disk_size_bytes", "Size of that disk.", "of")
	backupDesc    = desc("backup_timestamp_seconds", "When the last backup was made, in Unix time; 0 if none ever was.")
	backupMaxDesc = desc("backup_max_age_seconds", "How old the last backup may be, as configured.")
)

func (c *diskCollector) Describe(to chan<- *prometheus.Desc) {
	describe(to, fileDesc, diskFreeDesc, diskSizeDesc, backupDesc, backupMaxDesc)
}

func (c *diskCollector) Collect(to chan<- prometheus.Metric) {
	out := emitter(to)
	if file, ok := c.config.Database(); ok {
		for kind, suffix := range map[string]string{"database": "", "wal": "-wal", "ballast": ".ballast"} {
			size := int64(0)
			if info, err := os.Stat(file + suffix); err == nil {
				size = info.Size()
			}
			out.gauge(fileDesc, float64(size), kind)
		}
	}
	for of, dir := range c.config.Disks(c.dir) {
		if disk, err := DiskOf(dir); err == nil {
			out.gauge(diskFreeDesc, float64(disk.Free), of)
			out.gauge(diskSizeDesc, float64(disk.Size), of)
		}
	}
	at := 0.0
	if last, err := ReadBackup(c.dir); err == nil && !last.At.IsZero() {
		at = float64(last.At.Unix())
	}
	out.gauge(backupDesc, at)
	out.gauge(backupMaxDesc, c.config.Backup.MaxAge.Seconds())
}

// Database returns the path of the SQLite file, if the store is one.
func (c *Config) Database() (file string, ok bool) { return strings.CutPrefix(c.Store.DSN, "sqlite:") }

// Disks returns the folders that the daemon of dir fills, by what for.
func (c *Config) Disks(dir string) map[string]string {
	disks := map[string]string{"evidence": filepath.Dir(c.Audit.Evidence), "store": dir}
	if file, ok := c.Database(); ok {
		disks["store"] = filepath.Dir(file)
	}
	if c.Audit.Archive != "" {
		disks["archive"] = filepath.Dir(c.Audit.Archive)
	}
	if c.CRL.PublishDir != "" {
		disks["published"] = filepath.Dir(c.CRL.PublishDir)
	}
	return disks
}

// A Disk is a file system.
type Disk struct{ Free, Size uint64 } // bytes; Free: for whoever is not root

// DiskOf returns the one that a folder is on.
func DiskOf(dir string) (Disk, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Disk{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return Disk{s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize)}, nil
}
