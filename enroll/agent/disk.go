package agent

import (
	"io/fs"
	"os"
)

// disk makes every change to the directory, in steps that a crash falls between.
type disk struct {
	step func(op, path string) error // called before each; nil: nobody wants to know
}

func (d disk) before(op, path string) error {
	if d.step == nil {
		return nil
	}
	return d.step(op, path)
}

// write puts data at path: whole, on disk and with that mode, or not at all.
// The name itself is on disk after [disk.sync] of the directory.
func (d disk) write(path string, data []byte, mode fs.FileMode) error {
	return d.put(path, data, mode, true)
}

// jot is write for what a loss of power may take: path may be empty after it.
func (d disk) jot(path string, data []byte) error { return d.put(path, data, 0o644, false) }

func (d disk) put(path string, data []byte, mode fs.FileMode, durable bool) (err error) {
	tmp := path + ".tmp"
	if err := d.before("create", tmp); err != nil {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(tmp) // it takes the space that others want
		}
	}()
	if err := f.Chmod(mode); err != nil { // whatever the umask is
		return err
	}
	if err := d.before("write", tmp); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if durable {
		if err := d.before("fsync", tmp); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	return d.rename(tmp, path)
}

// sync puts the names in a directory on disk.
func (d disk) sync(dir string) error {
	if err := d.before("fsync", dir); err != nil {
		return err
	}
	return syncDirectory(dir)
}

func (d disk) rename(from, to string) error {
	if err := d.before("rename", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// mkdir makes a directory that everyone may list; the key in it has a mode of
// its own.
func (d disk) mkdir(path string) error {
	if err := d.before("mkdir", path); err != nil {
		return err
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// link points the symbolic link at path to target, at one stroke.
func (d disk) link(target, path string) error {
	tmp := path + ".tmp"
	if err := d.remove(tmp); err != nil {
		return err
	}
	if err := d.before("symlink", tmp); err != nil {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	if err := d.before("rename", path); err != nil {
		return err
	}
	return replaceLink(tmp, path)
}

// remove removes a file or a whole directory, if it is there.
func (d disk) remove(path string) error {
	if _, err := os.Lstat(path); err != nil {
		if os.IsNotExist(err) {
			return nil
		}
		return err
	}
	if err := d.before("remove", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}
