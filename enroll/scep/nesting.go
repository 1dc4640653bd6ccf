package scep

// maxNesting bounds how deep elements of a message lie in each other. A SignedData with
// its certificates has some fifteen levels.
const maxNesting = 32

// shallow reports whether the elements of BER lie no deeper in each other than that. The
// library takes time that grows with the square of the depth, minutes for what a stranger
// can send; so this reads BER as the library does, before it does.
func shallow(ber []byte) bool {
	_, ok := element(ber, 0, 1)
	return ok
}

// element returns where the element at an offset ends, if it is well-formed and not too
// deep.
func element(ber []byte, offset, depth int) (end int, ok bool) {
	constructed, indefinite, offset, end := header(ber, offset)
	switch {
	case end < 0 || depth > maxNesting || indefinite && !constructed:
		return 0, false
	case !constructed:
		return end, true
	}
	for indefinite || offset < end {
		if offset, ok = element(ber, offset, depth+1); !ok {
			return 0, false
		}
		if indefinite && len(ber)-offset >= 2 && ber[offset] == 0 && ber[offset+1] == 0 {
			return offset + 2, true
		}
	}
	return end, true
}

// header reads tag and length: where the content begins, and where it ends, which is
// negative if it cannot be read.
func header(ber []byte, offset int) (constructed, indefinite bool, begin, end int) {
	next := func() int {
		if offset >= len(ber) {
			return -1
		}
		offset++
		return int(ber[offset-1])
	}
	tag := next()
	if tag < 0 {
		return false, false, 0, -1
	}
	if tag&0x1f == 0x1f {
		more := next()
		for more >= 0x80 {
			more = next()
		}
	}
	length := next()
	switch {
	case length < 0 || length > 0x84:
		return false, false, 0, -1
	case length == 0x80:
		return tag&0x20 != 0, true, offset, offset
	case length > 0x80:
		count := length & 0x7f
		length = 0
		for range count {
			b := next()
			if b < 0 {
				return false, false, 0, -1
			}
			length = length<<8 | b
		}
	}
	if length > len(ber)-offset {
		return false, false, 0, -1
	}
	return tag&0x20 != 0, false, offset, offset + length
}
