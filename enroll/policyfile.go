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

// Load puts the policy in file in force. If the file cannot be read or parsed, or
// the store not written, the policy in force stays. A file with the text in force
// changes nothing.
func (p *Policies) Load(ctx context.Context, by Actor, file string) error {
	text, err := readPolicyFile(file)
	if err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	_, err = p.Set(ctx, by, file, text, AnyVersion)
	return err
}

// Start loads the policy file of a daemon that starts. The store's version is the
// truth: a file that was last written before the policy in force was set, through
// the admin API or by another replica, is left alone, and the log says so.
func (p *Policies) Start(ctx context.Context, by Actor, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	p.started = fileStamp{info.ModTime(), info.Size()}
	record, err := p.store.CurrentPolicy(ctx)
	if err != nil {
		return err
	}
	if record.Version > 0 && info.ModTime().Before(record.Loaded) {
		text, err := readPolicyFile(file)
		if err == nil && string(text) != string(record.Text) {
			p.log.WarnContext(ctx, "the policy in force is newer than the policy file, which is not loaded: touch the file to load it",
				"file", file, "version", record.Version, "by", record.Actor)
		}
		return nil
	}
	return p.Load(ctx, by, file)
}

// Watch loads file whenever it has changed, and at once whenever reload says so
// (on SIGHUP), until ctx ends; then it returns nil. What goes wrong with the file
// goes into the log, and the policy in force stays. Start must have returned.
// reload may be nil.
func (p *Policies) Watch(ctx context.Context, file string, reload <-chan os.Signal) error {
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	loaded := p.started
	seen := loaded
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reload:
			seen = stampOf(file)
		case <-look.C:
			now := stampOf(file)
			settled := now == seen
			seen = now
			if now == loaded || !settled {
				continue
			}
		}
		loaded = seen
		if err := p.Load(ctx, Daemon(), file); err != nil {
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

func readPolicyFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPolicyFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxPolicyFile {
		return nil, errors.New(file + " is larger than 1 MiB")
	}
	return text, nil
}
