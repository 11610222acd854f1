package main

import "github.com/leakgate/leakgate/internal/gate"

// observer passes on what happens to the live display, once there is one: it
// shows what the gate has sent, and so comes after it.
type observer struct{ gate.Observer }
