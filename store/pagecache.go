package store

import "fmt"

// The writer keeps pages in memory, which it would have to read from the kernel otherwise:
// what lies above the leaves of the indexes is passed through by each insert, and is less
// than one page in 256.
const (
	cachePart  = 256
	cacheLeast = 16 << 20 // bytes
	cacheMost  = 128 << 20
)

// cache is the pragma that sizes the writer's page cache by that of the file.
func (d *disk) cache() string {
	size := int64(0)
	if info, err := d.file.Stat(); err == nil {
		size = info.Size() / cachePart
	}
	return fmt.Sprintf("PRAGMA cache_size = -%d", min(max(size, cacheLeast), cacheMost)>>10)
}
