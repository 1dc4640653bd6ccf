package enroll

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/betonica/betonica/store"
)

// policyTopic is the notice of a policy that has come in force; its payload is the
// version.
const policyTopic = "policy"

// tell has all replicas look at the policy. If it does not reach them, they look by
// themselves.
func (p *Policies) tell(ctx context.Context, version int64) {
	if err := p.store.Notify(ctx, policyTopic, strconv.FormatInt(version, 10)); err != nil {
		p.log.WarnContext(ctx, "the other replicas learn of the policy a second later", "error", err)
	}
}

// follow takes over the policy that the store says is in force, and has the file say
// the same if it is a version of before that nobody has just written. It reports whether
// the file is on record.
func (p *Policies) follow(ctx context.Context, file string) (ours bool) {
	before := p.Current().Version()
	policy, err := p.Refresh(ctx)
	if err != nil {
		return false // that the store does not answer others say
	}
	if policy.Version() > before {
		p.log.InfoContext(ctx, "policy of another replica in force", "version", policy.Version())
	}
	switch {
	case stampOf(file) != p.loaded:
		return false // who goes back to a version of before means it
	case p.written == policy.Version():
		return true
	}
	ours, err = p.replaceStale(ctx, file)
	if err != nil && ctx.Err() == nil {
		p.log.ErrorContext(ctx, "the policy file is not the policy in force", "file", file, "version", policy.Version(), "error", err)
	}
	return ours && err == nil
}

// replaceStale writes the policy in force over a file that is a version of before, and
// reports whether the file is any version on record. A file that somebody writes at
// that moment stays his. Where the store is of this process alone, the file is its
// operator's, and never written.
func (p *Policies) replaceStale(ctx context.Context, file string) (ours bool, err error) {
	if !p.store.Shared() {
		return false, nil
	}
	record, err := p.store.CurrentPolicy(ctx)
	if err != nil {
		return false, err
	}
	text, stamp, err := readPolicyFile(file)
	if err != nil {
		return false, nil // of a file that is not there Load has more to say
	}
	if digest := sha256.Sum256(text); digest != record.Digest {
		version, err := p.store.PolicyVersion(ctx, digest)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if stamp, err = replacePolicyFile(file, record.Text, stamp); err != nil {
			return true, fmt.Errorf("writing the policy in force over version %d: %w", version, err)
		}
		p.log.InfoContext(ctx, "the policy in force was written over the policy file, which was of a version before",
			"file", file, "was", version, "version", record.Version)
	}
	p.loaded, p.written = stamp, record.Version
	return true, nil
}

// replacePolicyFile writes a file whole, with the mode and owner of the one before, if
// that is still the one with this stamp; it returns the new one's.
func replacePolicyFile(file string, text []byte, was fileStamp) (fileStamp, error) {
	info, err := os.Stat(file)
	if err != nil {
		return was, err
	}
	next, err := os.CreateTemp(filepath.Dir(file), ".policy-*")
	if err != nil {
		return was, err
	}
	defer os.Remove(next.Name()) // unless it was renamed
	_, err = next.Write(text)
	err = errors.Join(err, next.Chmod(info.Mode().Perm()), chownLike(next, info), next.Sync(), next.Close())
	if err == nil && stampOf(file) != was {
		err = errors.New("somebody is writing it")
	}
	if err != nil {
		return was, err
	}
	stamp := stampOf(next.Name())
	return stamp, os.Rename(next.Name(), file)
}
