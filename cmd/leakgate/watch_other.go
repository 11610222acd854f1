//go:build !unix

package main

// watch cannot hand files on to another process here, and watches none.
func watch() (int, bool) { return 0, false }

func underWatch(command) (int, bool) { return 0, false }
