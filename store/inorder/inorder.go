// Package inorder does the costly part of a long read on all cores, and keeps the order.
//
// What is read goes through a [Line] in pages. Reading and taking are for the goroutine
// that runs the Line alone, so that neither has to be safe for two at a time: a source that
// knows where it stands may be asked from both. What lies between them, the work on one
// page that needs no other, is done on several pages at once. It is of use where the work
// costs as much as the other two together, or more.
package inorder

import (
	"context"
	"runtime"
	"sync"
)

// A Line takes pages through three steps. Its fields are required, but Workers.
type Line[P any] struct {
	// Read fills a page with what comes next, and reports whether more may follow. The
	// page is as an earlier Take left it, so that what it has room for is used again. With
	// an error the page counts for nothing, and those before it are taken.
	Read func(ctx context.Context, page *P) (more bool, err error)

	// Worker returns what does the work on one page after the other. It is called once for
	// each goroutine that works: what it makes, no other uses.
	Worker func() func(page *P)

	// Take is given every page that was read, in that order, once it was worked on.
	Take func(page *P) error

	// Workers is how many pages are worked on at once; zero: one for each core, and at
	// most 8, since one goroutine reads for all of them. Two pages more are in memory.
	Workers int
}

// most is how many workers one reader keeps busy.
const most = 8

// Run takes pages through the Line until there are no more. It returns the first error of
// Take, or that of Read after it took what was read before it, or why ctx ended, between
// two pages. When it returns, no goroutine of it is left; for that it waits until the pages
// that are at work are done.
func (l Line[P]) Run(ctx context.Context) error {
	workers := l.Workers
	if workers == 0 {
		workers = min(runtime.GOMAXPROCS(0), most)
	}
	places := make([]place[P], workers+2)
	for i := range places {
		places[i].done = make(chan struct{}, 1)
	}
	queue := make(chan *place[P], len(places))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(queue)
	for range workers {
		work := l.Worker()
		wg.Go(func() {
			for p := range queue {
				work(&p.page)
				p.done <- struct{}{}
			}
		})
	}
	return l.run(ctx, places, queue)
}

// run reads as long as a place is free and nothing is to be taken: workers wait for what
// was not read, and nobody waits for what was not taken.
func (l Line[P]) run(ctx context.Context, places []place[P], queue chan<- *place[P]) (failed error) {
	read, taken := 0, 0
	for more := true; more || taken < read; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		full := read-taken == len(places)
		if p := &places[taken%len(places)]; taken < read && p.ready(full || !more) {
			if err := l.Take(&p.page); err != nil {
				return err
			}
			taken++
			continue
		}
		p := &places[read%len(places)]
		if more, failed = l.Read(ctx, &p.page); failed != nil {
			more = false
			continue
		}
		read++
		queue <- p
	}
	return failed
}

// A place holds a page from when it is read until it is taken.
type place[P any] struct {
	page P
	done chan struct{} // it was worked on
}

// ready reports whether the page can be taken, and waits for that if it is told to.
func (p *place[P]) ready(wait bool) bool {
	if wait {
		<-p.done
		return true
	}
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
