package alert

import "encoding/binary"

// A table keeps values of a fixed size by key, at most so many: beyond that the one that
// was unused for longest goes. Values hold no pointers, so that the garbage collector
// passes them over, and are saved as they are (fields exported for package binary).
type table[V any] struct {
	max     int
	index   map[uint64]int32
	chunks  [][]row[V]
	n       int32
	newest  int32
	oldest  int32
	dropped func(key uint64) // who is told; nil: nobody
	evicted int64
}

type row[V any] struct {
	Key          uint64
	newer, older int32
	Value        V
}

const (
	chunk = 1024 // rows that are allocated at once
	none  = int32(-1)
)

func newTable[V any](limit int) *table[V] {
	return &table[V]{max: max(limit, 1), index: make(map[uint64]int32), newest: none, oldest: none}
}

func (t *table[V]) row(i int32) *row[V] { return &t.chunks[i/chunk][i%chunk] }

// peek returns the value of a key, and leaves it as old as it is; nil: there is none.
func (t *table[V]) peek(key uint64) *V {
	if i, ok := t.index[key]; ok {
		return &t.row(i).Value
	}
	return nil
}

// get returns the value of a key, which is the newest from now on; nil: there is none. The
// pointer is good until the next put.
func (t *table[V]) get(key uint64) *V {
	i, ok := t.index[key]
	if !ok {
		return nil
	}
	if i != t.newest {
		t.unlink(i)
		t.link(i)
	}
	return &t.row(i).Value
}

// put returns the value of a key, and makes one where there is none.
func (t *table[V]) put(key uint64) *V {
	if v := t.get(key); v != nil {
		return v
	}
	var i int32
	if int(t.n) < t.max {
		if i = t.n; int(i/chunk) == len(t.chunks) {
			t.chunks = append(t.chunks, make([]row[V], min(chunk, t.max-int(i))))
		}
		t.n++
	} else {
		i = t.oldest
		old := t.row(i).Key
		t.unlink(i)
		delete(t.index, old)
		t.evicted++
		if t.dropped != nil {
			t.dropped(old)
		}
	}
	r := t.row(i)
	*r = row[V]{Key: key}
	t.index[key] = i
	t.link(i)
	return &r.Value
}

func (t *table[V]) full() bool { return int(t.n) == t.max }

// eldest returns the value that would go next.
func (t *table[V]) eldest() *V { return &t.row(t.oldest).Value }

func (t *table[V]) link(i int32) {
	r := t.row(i)
	r.newer, r.older = none, t.newest
	if t.newest != none {
		t.row(t.newest).newer = i
	} else {
		t.oldest = i
	}
	t.newest = i
}

func (t *table[V]) unlink(i int32) {
	r := t.row(i)
	if r.newer != none {
		t.row(r.newer).older = r.older
	} else {
		t.newest = r.older
	}
	if r.older != none {
		t.row(r.older).newer = r.newer
	} else {
		t.oldest = r.newer
	}
}

// size returns the bytes of one row as it is saved.
func (t *table[V]) size() int {
	var v V
	return 8 + binary.Size(v)
}

// append saves the rows, the oldest first.
func (t *table[V]) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(t.n))
	for i := t.oldest; i != none; i = t.row(i).newer {
		r := t.row(i)
		b = binary.LittleEndian.AppendUint64(b, r.Key)
		b, _ = binary.Append(b, binary.LittleEndian, &r.Value) // of a fixed size: no error
	}
	return b
}

// read is append backwards. It returns what is left of b, and whether it could be read.
func (t *table[V]) read(b []byte) ([]byte, bool) {
	if len(b) < 4 {
		return b, false
	}
	n, size := int(binary.LittleEndian.Uint32(b)), t.size()
	if b = b[4:]; len(b)/size < n {
		return b, false
	}
	for range n {
		v := t.put(binary.LittleEndian.Uint64(b))
		if _, err := binary.Decode(b[8:size], binary.LittleEndian, v); err != nil {
			return b, false
		}
		b = b[size:]
	}
	return b, true
}
