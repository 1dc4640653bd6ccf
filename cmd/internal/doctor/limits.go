package doctor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/betonica/betonica/cmd/internal/server"
)

// limits tells what the system lets the daemon do: open files, and write its memory,
// which holds the keys, onto a disk.
func limits(_ context.Context, c *Case) []Finding {
	var found []Finding
	if swaps := swaps("/proc/swaps"); len(swaps) > 0 {
		found = append(found, warn("encrypt it, turn it off, or set MemorySwapMax=0 in the daemon's service",
			"swap is on (%s): what is in the daemon's memory, keys among it, may be written there", strings.Join(swaps, ", ")))
	}
	if d := c.Daemon; d == nil {
		found = append(found, skip("limits of a daemon, since none answers"))
	} else {
		if files, known := d.value("process_max_fds"); known && files < server.WantFiles {
			found = append(found, warn("raise it (LimitNOFILE= of the service, ulimit -n)",
				"the daemon may open %.0f files, and takes fewer connections than with %d", files, server.WantFiles))
		}
		if dumps(fmt.Sprintf("/proc/%d/limits", d.PID)) {
			found = append(found, warn("set LimitCORE=0 in the daemon's service", "the daemon may leave core dumps behind, which hold its keys"))
		}
	}
	return orOK(found, "enough files, no swap, no core dumps")
}

// swaps returns what is swapped to (proc(5)).
func swaps(file string) (all []string) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if fields := strings.Fields(line); i > 0 && len(fields) > 0 && !strings.HasPrefix(fields[0], "/dev/zram") {
			all = append(all, fields[0])
		}
	}
	return all
}

// dumps says whether a process may write core files: its soft limit (proc(5)).
func dumps(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("Max core file size")); ok {
			soft := string(bytes.Fields(rest)[0])
			n, err := strconv.ParseUint(soft, 10, 64)
			return soft == "unlimited" || err == nil && n > 0
		}
	}
	return false
}
