package main

import "cove/overlay"

// danger tells why a change may run code later or widen access, or "".
func danger(c overlay.Change) string {
	if c.Flags.Has(overlay.Capability) {
		return "runs with capabilities"
	}
	return ""
}
