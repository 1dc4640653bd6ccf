package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxNotice bounds a notice's payload, in bytes.
const maxNotice = 4 << 10

// Notify gives all processes on the database a word, this one included: see
// [DB.OnNotice]. It is best effort, and never the only way to learn something: a
// process that is away misses it. The topic is a word without spaces; the payload
// is UTF-8 text of at most 4 KiB.
func (d *DB) Notify(ctx context.Context, topic, payload string) error {
	if topic == "" || strings.ContainsAny(topic, " \x00") || len(topic) > 64 {
		return fmt.Errorf("notice: topic %q is not a word", topic)
	}
	if len(payload) > maxNotice || !utf8.ValidString(payload) || strings.ContainsRune(payload, 0) {
		return fmt.Errorf("notice %s: payload of %d bytes: want text of at most %d", topic, len(payload), maxNotice)
	}
	if err := d.engine.notify(ctx, &d.feed.notices, topic, payload); err != nil {
		return fmt.Errorf("notice %s: %w", topic, err)
	}
	return nil
}

// OnNotice has fn called with the payload of every notice of the topic that
// reaches this process, one at a time, and with an empty one when it was away and
// may have missed some. fn runs in the feed's goroutine and must not block: while
// it does, the process lapses. The function that OnNotice returns ends it.
func (d *DB) OnNotice(topic string, fn func(payload string)) (stop func()) {
	return d.feed.notices.on(topic, fn)
}

// notices are those who listen to notices.
type notices struct {
	mu    sync.Mutex
	hooks []*noticeHook

	queue chan notice // SQLite: what is to be delivered
}

type noticeHook struct {
	topic string
	fn    func(string)
}

type notice struct{ topic, payload string }

func (n *notices) on(topic string, fn func(string)) (stop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	hook := &noticeHook{topic, fn}
	n.hooks = append(slices.Clone(n.hooks), hook)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.hooks = slices.DeleteFunc(slices.Clone(n.hooks), func(h *noticeHook) bool { return h == hook })
	}
}

// deliver calls the hooks of the topic.
func (n *notices) deliver(heard notice) {
	for _, hook := range n.current() {
		if hook.topic == heard.topic {
			hook.fn(heard.payload)
		}
	}
}

// missed tells everyone that there may have been notices.
func (n *notices) missed() {
	for _, hook := range n.current() {
		hook.fn("")
	}
}

func (n *notices) current() []*noticeHook {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hooks
}

// pass delivers what is put, in a goroutine of its own, until the returned function
// ends it.
func (n *notices) pass() (stop func()) {
	n.queue = make(chan notice, 64)
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case heard := <-n.queue:
				n.deliver(heard)
			case <-ended:
				return
			}
		}
	}()
	return func() {
		close(ended)
		<-done
	}
}

// put has pass deliver a notice; where it is far behind, it waits for it.
func (n *notices) put(ctx context.Context, what notice) error {
	select {
	case n.queue <- what:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
