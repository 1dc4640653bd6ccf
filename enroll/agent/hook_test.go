package agent_test

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/client/catest"
)

// The hook is told what changed, and never runs twice at a time, be it for renewals or
// because a program asks for it. Its failure is the caller's to hear.
func TestRunHook(t *testing.T) {
	ca, dir := catest.New(t), t.TempDir()
	token := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(token, []byte(ca.Token("device", "SN-1").String()), 0o600))
	var failed sync.Map
	a, err := agent.Start(t.Context(), agent.Config{
		Dir: filepath.Join(dir, "m"), URL: ca.URL, TokenFile: token,
		Exec: []string{"/bin/sh", "-c", `cd "$0" && mkdir running && echo "$BETONICA_CHANGED" >>runs && sleep 0.02 && rmdir running && test ! -e fail`, dir},
		Events: func(e agent.Event) {
			if e.Step == "hook" {
				failed.Store(e.Err.Error(), true)
			}
		},
	})
	require.NoError(t, err)
	t.Cleanup(a.Wait)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := a.RunHook(t.Context(), agent.ChangedRevocations); err != nil {
				failed.Store(err.Error(), true)
			}
		})
	}
	require.NoError(t, a.Renew(t.Context()))
	all.Wait()
	runs := func() []string {
		text, err := os.ReadFile(filepath.Join(dir, "runs"))
		require.NoError(t, err)
		lines := strings.Fields(string(text))
		sort.Strings(lines)
		return lines
	}
	require.Eventually(t, func() bool { return runs()[0] == agent.ChangedCertificate }, 10*time.Second, 5*time.Millisecond)
	failed.Range(func(err, _ any) bool { t.Error(err); return true })
	n := 0
	for _, line := range runs() {
		if line == agent.ChangedRevocations {
			n++
		}
	}
	require.Equal(t, 8, n)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "fail"), nil, 0o600))
	require.ErrorContains(t, a.RunHook(t.Context(), agent.ChangedRevocations), "exit status 1")
}
