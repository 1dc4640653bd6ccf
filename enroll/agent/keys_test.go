package agent_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/client/catest"
)

// chip keeps keys that never leave it, and gives out a handle for each.
type chip struct {
	mu   sync.Mutex
	keys []*ecdsa.PrivateKey
}

func (c *chip) String() string { return "chip:test" }

func (c *chip) Make(string) (crypto.Signer, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.keys = append(c.keys, key)
	return key, pem.EncodeToMemory(&pem.Block{Type: "CHIP KEY", Bytes: []byte{byte(len(c.keys) - 1)}}), err
}

func (c *chip) Open(text []byte) (crypto.Signer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CHIP KEY" || int(block.Bytes[0]) >= len(c.keys) {
		return nil, errors.New("no key of this chip")
	}
	return c.keys[block.Bytes[0]], nil
}

// A machine whose keys are in a chip keeps their handles only, renews with new
// ones, and says which chip it is; who has another chip cannot use the
// directory, and who has none reads all but the key.
func TestKeysInChip(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	conf.Keys = new(chip)
	mustEnroll(t, ca, conf)
	c, renewed, err := agent.Renew(t.Context(), conf, false)
	require.NoError(t, err)
	require.True(t, renewed)
	require.NotNil(t, c.Certificate.PrivateKey)
	require.Equal(t, "chip:test", agent.KeysOf(conf.Dir))
	require.False(t, bytes.Contains([]byte(read(t, conf.Dir, "current/key.pem")), []byte("PRIVATE")))

	bare := mustLoad(t, conf.Dir)
	require.Equal(t, c.Serial(), bare.Serial())
	require.Nil(t, bare.Certificate.PrivateKey)

	other := conf
	other.Keys = new(chip)
	_, _, err = agent.Renew(t.Context(), other, false)
	require.ErrorContains(t, err, "no key of this chip")
	other.Keys = nil
	_, _, err = agent.Renew(t.Context(), other, false)
	require.ErrorContains(t, err, "which chip")
	require.Len(t, ca.Issued(), 2)
}

// A machine whose keys were in files gets one in the chip at its next renewal.
func TestKeysMove(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	mustEnroll(t, ca, conf)
	require.Empty(t, agent.KeysOf(conf.Dir))
	conf.Keys = new(chip)
	_, _, err := agent.Renew(t.Context(), conf, false)
	require.NoError(t, err)
	require.Equal(t, "chip:test", agent.KeysOf(conf.Dir))
	require.Zero(t, ca.Forks)
}
