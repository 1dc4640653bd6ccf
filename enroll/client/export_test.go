package client

// RetryAfter lets its fuzz test reach it.
var RetryAfter = retryAfter
