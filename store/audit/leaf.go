package audit

const (
	MaxLeaf  = 64 << 10 // bytes of a leaf
	MaxTerms = 4        // blind indexes of an entry
)
