package h1

// A Shape is what is wrong with a message before anybody asks what it wants. Its text is
// for people and for the record, and repeats nothing of what was sent.
type Shape string

func (s Shape) Error() string { return string(s) }

const (
	BadLine     = Shape("line does not end in CR LF, or has a control character")
	BadStatus   = Shape("malformed status line")
	BadHeader   = Shape("malformed header")
	BadFold     = Shape("folded header")
	BadLength   = Shape("malformed or repeated length")
	BadTransfer = Shape("transfer coding other than chunked, or with a length")
	BadName     = Shape("header that some servers read as another")
	BadChunk    = Shape("malformed chunk")
	TooLarge    = Shape("headers larger than 64 KiB")
)

// Bounds of what may come before a body's end is known, in bytes.
const (
	MaxHead     = 64 << 10 // a head, first line and headers
	maxTrailers = 8 << 10
	maxLine     = 512 // of a chunk's size and its extensions
)
