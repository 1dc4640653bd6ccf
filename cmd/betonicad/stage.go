package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A stage is where a CA's folder is made: in a temporary folder beside the one that
// it is for, so that a crash leaves a folder that is whole, or none.
type stage struct {
	tmp string // holds "ca"
}

// newStage makes the temporary folder beside dir, with an empty CA in it.
func newStage(dir, verb string) (stage, error) {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return stage{}, err
	}
	return stageIn(parent, verb)
}

// stageIn is newStage in a folder that is there. verb is part of the name, for whoever
// finds what a crash left behind.
func stageIn(parent, verb string) (stage, error) {
	tmp, err := os.MkdirTemp(parent, ".betonica-"+verb+"-*")
	if err != nil {
		return stage{}, err
	}
	s := stage{tmp}
	for _, dir := range []string{string(s.layout()), s.layout().keys()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			s.discard()
			return stage{}, err
		}
	}
	return s, nil
}

func (s stage) layout() layout { return layout(filepath.Join(s.tmp, "ca")) }

// discard removes what was not put in place.
func (s stage) discard() { os.RemoveAll(s.tmp) }

// sync has on disk what the folders are about to be found by: the names in them. The
// files in them are there already, see [writeFile].
func (s stage) sync(others ...string) error {
	for _, dir := range append([]string{s.layout().keys(), string(s.layout()), filepath.Dir(s.tmp)}, others...) {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// rename moves a folder. An empty one in the way is replaced, as os.Rename would
// not; anything else is an error.
func rename(from, to string) error {
	if err := unix.Rename(from, to); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
