package wire

import (
	"strings"

	"portcullis/internal/pim"
)

// IsGUID says whether s has the form of a GUID, in any letter case.
func IsGUID(s string) bool { return pim.IsUUID(strings.ToLower(s)) }
