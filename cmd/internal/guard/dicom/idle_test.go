package dicom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate/gatetest"
)

// An association that was asked for in many words holds none of them while it is idle.
func TestIdleMemory(t *testing.T) {
	p := play(t, everything)
	asked := echoAndStore()
	secret := append([]byte{2, 0, 0xea, 0x60}, make([]byte, 60000)...)
	asked.User.parts = append(asked.User.parts, part{Type: itemUserIdentityRQ, Value: append(secret, 0, 0)})
	p.open(t, asked)
	before := gatetest.Heap()
	const n = 50
	for range n {
		p.open(t, asked)
	}
	require.Eventually(t, func() bool { return gatetest.Heap() < before+n*30<<10 }, patience, 50*time.Millisecond, "%d bytes each", (gatetest.Heap()-before)/n)
}
