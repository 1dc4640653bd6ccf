package guard

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	"github.com/landlock-lsm/go-landlock/landlock/syscall"

	"github.com/betonica/betonica/enroll/agent"
)

// What a process needs of a Linux system in order to find hosts and to tell the time.
var (
	systemFiles = []string{
		"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services", "/etc/localtime",
		"/dev/null", "/dev/urandom", "/proc/sys/net/core/somaxconn", "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
	}
	systemDirs = []string{"/usr/share/zoneinfo", "/run/systemd/resolve", "/run/resolvconf"}
)

// Confine leaves this process, for good, only the files that a guard of c needs: its own
// directories to write, and the folders of its rules and configuration to read. Whoever
// takes the process over finds no other file. Call it after [Open]; also reads are the
// folders of files that the caller reads again later. Routes that a reload adds can have
// Unix sockets only in folders where there were some before.
//
// Where the kernel has no landlock it says so in the log, and changes nothing.
func Confine(ctx context.Context, c Config, log *slog.Logger, reads ...string) error {
	c, err := c.normal()
	if err != nil || c.NoLandlock {
		return err
	}
	version, err := syscall.LandlockGetABIVersion()
	if err != nil {
		log.WarnContext(ctx, "landlock is not available: the guard keeps all files that its user may open", "error", err)
		return nil
	}
	writes := []string{c.State, c.Journal.Dir}
	if c.Agent.Keep {
		writes = append(writes, c.Dir)
		reads = append(reads, folderOf(c.Agent.TokenFile)...)
	} else {
		reads = append(reads, c.Dir)
	}
	reads = append(reads, folderOf(c.Rules)...)
	reads = append(reads, folderOf(c.Journal.KeyFile)...)
	for _, listen := range append(listens(c.Routes), c.Ops) {
		if path, ok := strings.CutPrefix(listen, "unix:"); ok {
			writes = append(writes, filepath.Dir(path)) // to remove it at the end
		}
	}
	device, _ := strings.CutPrefix(agent.KeysOf(c.Dir), "tpm:") // a character device or a socket, which landlock lets be
	if device != "" {
		writes = append(writes, filepath.Join(c.Dir, "tpm"))
	}
	slices.Sort(reads)
	slices.Sort(writes)
	err = landlock.V8.BestEffort().RestrictPaths(
		landlock.RODirs(slices.Compact(reads)...).IgnoreIfMissing(),
		landlock.RWDirs(slices.Compact(writes)...).IgnoreIfMissing(),
		landlock.RWFiles(device).IgnoreIfMissing(),
		landlock.ROFiles(systemFiles...).IgnoreIfMissing(),
		landlock.RODirs(systemDirs...).IgnoreIfMissing(),
	)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "confined by landlock", "version", version)
	return nil
}

// folderOf returns the folder of a file, whose name another file may be given.
func folderOf(file string) []string {
	if file == "" {
		return nil
	}
	return []string{filepath.Dir(file)}
}

func listens(routes []Route) (all []string) {
	for _, r := range routes {
		all = append(all, r.Listen)
	}
	return all
}
