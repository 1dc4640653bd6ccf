package audit

import "io"

// VerifyBundle reads a bundle and says whether its entries are those of the log
// whose key is trusted. If trusted is empty, the key that the bundle names is
// taken, and the report says so: then it proves that the bundle is whole, not
// whose it is. It needs none of the log's secrets, and bounded memory.
//
// If the bundle was changed the error is a [*TamperError]; another error means
// that it could not be read.
func VerifyBundle(r io.Reader, trusted string) (Report, error) { panic("not yet") }
