package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// maxHookOutput is how much of a failed command's output is reported.
const maxHookOutput = 2 << 10

// What [Config.Exec] finds in $BETONICA_CHANGED: why it runs.
const (
	ChangedCertificate = "certificate"
	ChangedRevocations = "revocations"
)

// runHook runs Exec for c, because of what changed, when no other run is under way.
// Its children die with it when its time is up, or ctx done. The error names the
// exit status and ends with the end of the output.
func (k *keeper) runHook(ctx context.Context, c *Credential, changed string) error {
	if len(k.conf.Exec) == 0 {
		return nil
	}
	k.hooks.Lock()
	defer k.hooks.Unlock()
	return k.command(ctx, c, changed, k.conf.Exec)
}

// healthy runs Health until it succeeds, or its time is up.
func (k *keeper) healthy(ctx context.Context, c *Credential) error {
	if len(k.conf.Health) == 0 {
		return nil
	}
	end := time.After(k.conf.ExecTimeout)
	for {
		err := k.command(ctx, c, ChangedCertificate, k.conf.Health)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(time.Second):
		case <-end:
			return fmt.Errorf("not healthy within %s: %w", k.conf.ExecTimeout, err)
		case <-ctx.Done():
			return err
		}
	}
}

// command runs one command for c.
func (k *keeper) command(ctx context.Context, c *Credential, changed string, argv []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, k.conf.ExecTimeout, fmt.Errorf("no end after %s", k.conf.ExecTimeout))
	defer cancel()
	dir, err := filepath.Abs(k.dir.path)
	if err != nil {
		return err
	}
	var output tail
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "BETONICA_DIR="+dir, "BETONICA_SERIAL="+c.Serial(), "BETONICA_CHANGED="+changed)
	cmd.Stdout, cmd.Stderr = &output, &output
	killWhole(cmd)
	cmd.WaitDelay = time.Second // for a grandchild that left the group and holds the pipe
	err = cmd.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	err = fmt.Errorf("%s: %w", cmd.Path, err)
	if text := bytes.TrimSpace(output.text); len(text) > 0 {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// RunHook runs Exec once because something else than the certificate changed, and
// returns how it ended; nil if there is none. It never runs at the same time as
// another run, also of the Agent's own: it waits for that. changed is for
// $BETONICA_CHANGED. Nothing is tried again, and nothing reported.
func (a *Agent) RunHook(ctx context.Context, changed string) error {
	if len(a.keeper.conf.Exec) == 0 {
		return nil
	}
	return a.keeper.runHook(ctx, a.Credential(), changed)
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if n := len(t.text) - maxHookOutput; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(p), nil
}
