package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// maxHookOutput is how much of a failed command's output is reported.
const maxHookOutput = 2 << 10

// runHook runs Exec for c. Its children die with it when its time is up, or
// ctx done. The error names the exit status and ends with the end of the output.
func (k *keeper) runHook(ctx context.Context, c *Credential) error {
	ctx, cancel := context.WithTimeoutCause(ctx, k.conf.ExecTimeout, fmt.Errorf("no end after %s", k.conf.ExecTimeout))
	defer cancel()
	dir, err := filepath.Abs(k.dir.path)
	if err != nil {
		return err
	}
	var output tail
	cmd := exec.CommandContext(ctx, k.conf.Exec[0], k.conf.Exec[1:]...)
	cmd.Env = append(os.Environ(), "BETONICA_DIR="+dir, "BETONICA_SERIAL="+c.Serial())
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
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

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if n := len(t.text) - maxHookOutput; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(p), nil
}
