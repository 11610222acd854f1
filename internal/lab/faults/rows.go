package main

import "slices"

// rows is the whole matrix.
func rows() []row {
	return slices.Concat(noFaults(), staleRows(), restartRows(), identityRows(), observerRows(), nonsenseRows(),
		transportRows(), loadRows(), worldRows(), trafficRows())
}

// noFaults are what every other row is compared with: without a fault the leak fails and
// its twin passes, or no row says anything.
func noFaults() []row {
	return []row{
		{kind: "none", name: "no fault", short: true, variants: each, tries: 3, leak: []string{fails},
			healthy: []string{passes}},
		{kind: "none", name: "no proxy", direct: true, variants: ends, leak: []string{fails},
			healthy: []string{passes}},
	}
}
