package dicom

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// heap is what lives, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// An association that was asked for in many words holds none of them while it is idle.
func TestIdleMemory(t *testing.T) {
	p := play(t, everything)
	asked := echoAndStore()
	secret := append([]byte{2, 0, 0xea, 0x60}, make([]byte, 60000)...)
	asked.User.parts = append(asked.User.parts, part{Type: itemUserIdentityRQ, Value: append(secret, 0, 0)})
	p.open(t, asked)
	before := heap()
	const n = 50
	for range n {
		p.open(t, asked)
	}
	require.Eventually(t, func() bool { return heap() < before+n*30<<10 }, patience, 50*time.Millisecond, "%d bytes each", (heap()-before)/n)
}
