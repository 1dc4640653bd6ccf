package agent

import (
	"io/fs"
	"os"
)

// disk makes every change to the directory, in steps that a crash falls between.
type disk struct {
	step func(op, path string) // called before each; nil: nobody wants to know
}

func (d disk) before(op, path string) {
	if d.step != nil {
		d.step(op, path)
	}
}

// write puts data at path: whole, on disk and with that mode, or not at all.
// The name itself is on disk after [disk.sync] of the directory.
func (d disk) write(path string, data []byte, mode fs.FileMode) error {
	tmp := path + ".tmp"
	d.before("create", tmp)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chmod(mode); err != nil { // whatever the umask is
		return err
	}
	d.before("write", tmp)
	if _, err := f.Write(data); err != nil {
		return err
	}
	d.before("fsync", tmp)
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return d.rename(tmp, path)
}

// sync puts the names in a directory on disk.
func (d disk) sync(dir string) error {
	d.before("fsync", dir)
	return syncDirectory(dir)
}

func (d disk) rename(from, to string) error {
	d.before("rename", to)
	return os.Rename(from, to)
}

// mkdir makes a directory that everyone may list; the key in it has a mode of
// its own.
func (d disk) mkdir(path string) error {
	d.before("mkdir", path)
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
	d.before("symlink", tmp)
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	d.before("rename", path)
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
	d.before("remove", path)
	return os.RemoveAll(path)
}
