package wire

import "strings"

// PlainCell makes a text one that no spreadsheet takes for a formula: what begins like one gets an apostrophe before it.
func PlainCell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r\n") ||
		strings.HasPrefix(s, "＝") || strings.HasPrefix(s, "＋") || strings.HasPrefix(s, "－") || strings.HasPrefix(s, "＠") {
		return "'" + s
	}
	return s
}
