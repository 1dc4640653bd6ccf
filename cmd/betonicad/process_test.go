package main_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clockTick is the unit of the times in /proc/PID/stat: USER_HZ, which Linux
// has fixed at 100.
const clockTick = 10 * time.Millisecond

// cpuTime returns the processor time, user and system, that a process and its
// children that ended have used, and its parent's id.
func cpuTime(pid int) (used time.Duration, parent int, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The second field is the program's name in brackets, and may hold anything;
	// proc(5) numbers the fields from 1.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	field := func(n int) int64 {
		v, _ := strconv.ParseInt(fields[n-3], 10, 64)
		return v
	}
	return time.Duration(field(14)+field(15)+field(16)+field(17)) * clockTick, int(field(4)), nil
}

// cpuOfFamily is cpuTime of a process and all its living children together.
func cpuOfFamily(pid int) time.Duration {
	sum, _, _ := cpuTime(pid)
	for _, child := range childrenOf(pid) {
		used, _, _ := cpuTime(child)
		sum += used
	}
	return sum
}

// childrenOf returns the ids of the processes that a process has started, and
// that live.
func childrenOf(pid int) []int {
	var children []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, parent, err := cpuTime(id); err == nil && parent == pid {
			children = append(children, id)
		}
	}
	return children
}

// residentMiB returns how much memory a process holds, VmRSS.
func residentMiB(t testing.TB, pid int) float64 {
	mib, ok := resident(pid)
	require.True(t, ok, "process %d does not say what it holds", pid)
	return mib
}

// resident is residentMiB of a process that may have ended.
func resident(pid int) (mib float64, ok bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kib) / 1024, err == nil
		}
	}
	return 0, false
}

// syncs counts the fsync and fdatasync calls in what strace wrote so far.
func syncs(t testing.TB, trace string) int {
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	return bytes.Count(text, []byte("sync(")) // a resumed call is written without the bracket
}
