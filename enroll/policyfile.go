package enroll

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// maxPolicyFile is the size of the largest policy file that is read, in bytes.
const maxPolicyFile = 1 << 20

// watchEvery is how often the policy file is looked at. A change is loaded when
// it has stayed the same from one look to the next: an editor may write in parts.
const watchEvery = time.Second

// askEvery is how often the store is asked which policy is in force, beside being told.
const askEvery = 3 * time.Second

// Load puts the policy in file in force. If the file cannot be read or parsed, or
// the store not written, the policy in force stays. A file with the text in force
// changes nothing.
func (p *Policies) Load(ctx context.Context, by Actor, file string) error {
	text, _, err := readPolicyFile(file)
	if err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	_, err = p.Set(ctx, by, file, text, AnyVersion)
	return err
}

// reload is Load, for Watch: what is loaded now is not loaded again.
func (p *Policies) reload(ctx context.Context, file string) error {
	text, stamp, err := readPolicyFile(file)
	p.loaded = stamp
	if err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	_, err = p.Set(ctx, Daemon(), file, text, AnyVersion)
	return err
}

// Start loads the policy file of a daemon that starts. The store's version is the
// truth: a file that is a version of before is written over with the one in force. One
// that is on no record, and was last written before the policy in force was set, is
// left alone, and the log says so.
func (p *Policies) Start(ctx context.Context, by Actor, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	p.loaded = stampOf(file)
	record, err := p.store.CurrentPolicy(ctx)
	if err != nil {
		return err
	}
	if record.Version > 0 {
		if _, err := p.Refresh(ctx); err != nil {
			return err
		}
		ours, err := p.replaceStale(ctx, file)
		if ours || err != nil {
			return err
		}
	}
	if record.Version > 0 && info.ModTime().Before(record.Loaded) {
		text, _, err := readPolicyFile(file)
		if err == nil && string(text) != string(record.Text) {
			p.log.WarnContext(ctx, "the policy in force is newer than the policy file, which is not loaded: touch the file to load it",
				"file", file, "version", record.Version, "by", record.Actor)
		}
		return nil
	}
	if err := p.Load(ctx, by, file); !p.waits(ctx, file, err) {
		return err
	}
	return nil
}

// Watch keeps the policy in force and the file the same until ctx ends; then it returns
// nil. It loads file whenever it has changed, and whenever reload says so (on SIGHUP),
// and writes it when another policy has come in force, here or on another replica: what
// others set is in force here about a second later. What goes wrong with the file goes
// into the log, and the policy in force stays. Start must have returned. reload may be
// nil.
func (p *Policies) Watch(ctx context.Context, file string, reload <-chan os.Signal) error {
	word := make(chan struct{}, 1)
	defer p.store.OnNotice(policyTopic, func(string) {
		select {
		case word <- struct{}{}:
		default:
		}
	})()
	look, ask := time.NewTicker(watchEvery), time.NewTicker(askEvery)
	defer look.Stop()
	defer ask.Stop()
	seen := p.loaded
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-word:
			if p.follow(ctx, file) {
				seen = p.loaded
			}
			continue
		case <-ask.C: // the word may have been lost
			if p.follow(ctx, file) {
				seen = p.loaded
			}
			continue
		case <-reload:
			seen = stampOf(file)
			if seen == p.loaded && p.follow(ctx, file) { // nobody wrote it, so nobody wants to go back to it
				continue
			}
		case <-look.C:
			now := stampOf(file)
			settled := now == seen
			seen = now
			if now == p.loaded || !settled {
				continue
			}
		}
		err := p.reload(ctx, file)
		seen = p.loaded
		if err != nil && !p.waits(ctx, file, err) {
			p.log.ErrorContext(ctx, "the policy file is not loaded, the policy in force stays", "file", file, "version", p.Current().Version(), "err", err)
		}
	}
}

// A fileStamp tells one state of a file from another. A file that is not there has
// the zero stamp.
type fileStamp struct {
	modified time.Time
	size     int64
}

func stampOf(file string) fileStamp {
	info, err := os.Stat(file)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.ModTime(), info.Size()}
}

// readPolicyFile reads a file, and says which state of it was read.
func readPolicyFile(file string) ([]byte, fileStamp, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fileStamp{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fileStamp{}, err
	}
	stamp := fileStamp{info.ModTime(), info.Size()}
	text, err := io.ReadAll(io.LimitReader(f, maxPolicyFile+1))
	if err == nil && len(text) > maxPolicyFile {
		err = errors.New(file + " is larger than 1 MiB")
	}
	return text, stamp, err
}
