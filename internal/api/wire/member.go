package wire

import "portcullis/internal/pim"

// MemberType is the word for how a principal comes by a row: themselves, by a group, or from a scope above.
func MemberType(m pim.MemberType) string {
	switch m {
	case pim.ByGroup:
		return "Group"
	case pim.Inherited:
		return "Inherited"
	case pim.Direct:
	}
	return "Direct"
}
