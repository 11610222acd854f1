// Package examples holds the tests of the Kubernetes, Argo and Flagger examples: that
// they are what the types of those systems say. It refuses to be imported by
// anything.
package examples
