package resource

import (
	"strings"

	"github.com/google/uuid"

	"portcullis/internal/pim"
)

// governance is the namespace of GovernanceID. It must not change: callers keep the ids, and stores are indexed by them.
var governance = uuid.MustParse("5e6b7c4c-2f0d-5d0b-8a43-5f1b0d3c9e20")

// GovernanceID is the GUID by which PIM's second iteration knows a node (reference pim-v2 §7): made of its path alone, so that
// any two servers agree.
func GovernanceID(s pim.Scope) string {
	return uuid.NewSHA1(governance, []byte(strings.ToLower(string(s)))).String()
}
