package scep

// MaxList is maxList.
const MaxList = maxList
