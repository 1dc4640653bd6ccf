package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// separation tells what lies together that should not: whoever takes the device that
// DIR is on shall not have the passphrase, the evidence against himself, or the root.
func separation(_ context.Context, c *Case) []Finding {
	found := rootKey(c)
	if c.Config == nil {
		return append(found, c.without()...)
	}
	for _, one := range []struct{ what, file, danger, do string }{
		{"the passphrase", c.Config.CA.PassphraseFile, "whoever copies the device has the keys, opened",
			"move it to another device and set [ca] passphrase_file, or hand it over as the systemd credential betonica.passphrase (systemd-creds encrypt)"},
		{"the evidence", c.Config.Audit.Evidence, "whoever sets the device back sets back what would show it",
			"move it to another device, and set [audit] evidence"},
	} {
		if one.file == "" {
			continue // handed over by the service manager
		}
		how, err := Together(one.file, c.Dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			found = append(found, skip("%s: %v", one.what, err))
		case how != "":
			found = append(found, warn(one.do, "%s, %s, is %s as %s: %s", one.what, one.file, how, c.Dir, one.danger))
		}
		if info, err := os.Stat(one.file); err == nil && info.Mode().Perm()&0o077 != 0 {
			found = append(found, fail("chmod go= "+one.file, "%s, %s, has mode %04o: others than its owner can use it", one.what, one.file, info.Mode().Perm()))
		}
	}
	return orOK(found, "passphrase and evidence are on other devices than the folder, and the root's key is not here")
}

// rootKey tells whether the root's key was carried away, as init asked for.
func rootKey(c *Case) []Finding {
	dir := c.Dir + ".root"
	here := RootKeys(c.Dir)
	const carry = "carry it away, to a safe or a token that is fetched for betonicad root sign-crl and rotate: the daemon never needs it"
	if len(here) == 0 {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return []Finding{warn("remove it once what it held is carried away", "%s is still here, without the root's key", dir)}
		}
		return nil
	}
	with := ""
	if _, err := os.Stat(filepath.Join(dir, "passphrase")); err == nil {
		with = ", with its passphrase"
	}
	return []Finding{fail(carry, "the root's key is on this host%s: %s. Whoever gets in here owns the CA for good", with, strings.Join(here, ", "))}
}

// RootKeys returns the files of the root's private key that are on this host, of those
// that init left beside the CA's folder.
func RootKeys(dir string) (here []string) {
	root := dir + ".root"
	for _, path := range []string{filepath.Join(root, "root.key"), filepath.Join(dir, "keys", "root.key"), filepath.Join(dir, "root.key")} {
		if _, err := os.Stat(path); err == nil {
			here = append(here, path)
		}
	}
	return here
}

// Together says how a file shares a device with a folder; empty if it does not, as far
// as the kernel tells. A bind mount is the file system that it shows.
func Together(file, dir string) (how string, err error) {
	var a, b unix.Stat_t
	if err := unix.Stat(file, &a); err != nil {
		return "", &fs.PathError{Op: "stat", Path: file, Err: err}
	}
	if err := unix.Stat(dir, &b); err != nil {
		return "", &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	if a.Dev == b.Dev {
		return "on the same file system", nil
	}
	if x, y := diskOf(uint64(a.Dev)), diskOf(uint64(b.Dev)); x != "" && x == y {
		return "on the same disk", nil
	}
	return "", nil
}

// diskOf returns the disk that a file system's device is a partition of, or is, as
// sysfs knows it; empty if it is no block device.
func diskOf(dev uint64) string {
	path, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(dev), unix.Minor(dev)))
	if err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(path, "partition")); err == nil {
		return filepath.Dir(path)
	}
	return path
}
