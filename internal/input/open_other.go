//go:build !unix

package input

// withoutWaiting is nothing where no name of a file leads to a pipe.
const withoutWaiting = 0
