package sqlstore

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// fewScopes is up to how many scopes a condition names each of them, so that an index finds what is at and below each. Many scopes
// that are alike are subscriptions below a management group: rows within them are no rarity, and to test each row that comes is
// faster than to gather and sort all that there are.
const fewScopes = 32

// fewLengths is how many lengths scopes that are alike have: those of subscriptions, and of some management groups.
const fewLengths = 4

// under compiles store.Under.
func (c *compiler) under(f store.Under) (string, error) {
	col, err := c.field(f.Field)
	if err != nil {
		return "", err
	}
	if col.typ != exactText {
		return "", fmt.Errorf("the field %q is no scope", f.Field)
	}
	scopes := widest(f.Scopes)
	switch {
	case len(scopes) == 0:
		return "false", nil
	case scopes[0] == pim.Everywhere:
		return col.column + " <> ''", nil
	case len(scopes) <= fewScopes:
		return c.underEach(col.column, scopes), nil
	case alike(scopes):
		return c.underCut(col.column, scopes), nil
	}
	return c.underAny(col.column, scopes), nil
}

// alike says whether scopes have few lengths.
func alike(scopes []pim.Scope) bool {
	lengths := map[int]bool{}
	for _, s := range scopes {
		if lengths[utf8.RuneCountInString(string(s))] = true; len(lengths) > fewLengths {
			return false
		}
	}
	return true
}

// widest drops the scopes that lie within others, and orders the rest.
func widest(scopes []pim.Scope) []pim.Scope {
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	there := make(map[pim.Scope]bool, len(scopes))
	for _, s := range scopes {
		there[s] = s != ""
	}
	if there[pim.Everywhere] {
		return []pim.Scope{pim.Everywhere}
	}
	return slices.DeleteFunc(scopes, func(s pim.Scope) bool {
		for at := strings.LastIndexByte(string(s), '/'); at > 0; at = strings.LastIndexByte(string(s[:at]), '/') {
			if there[s[:at]] {
				return true
			}
		}
		return s == ""
	})
}

// underEach names each scope and the range of what lies below it.
func (c *compiler) underEach(column string, scopes []pim.Scope) string {
	ways := make([]string, 0, 2*len(scopes))
	for _, s := range scopes {
		first, last := below(s)
		ways = append(ways, column+" = "+c.bind(plain(string(s))),
			column+" >= "+c.bind(first)+" AND "+column+" < "+c.bind(last))
	}
	return "(" + strings.Join(ways, " OR ") + ")"
}

// underCut cuts a row's scope to each length of those that are meant, and looks whether it is one.
func (c *compiler) underCut(column string, scopes []pim.Scope) string {
	byLength := map[int][]string{}
	for _, s := range scopes {
		path := plain(string(s))
		n := utf8.RuneCountInString(path)
		byLength[n] = append(byLength[n], path)
	}
	ways := make([]string, 0, len(byLength))
	for _, n := range slices.Sorted(maps.Keys(byLength)) {
		c.args = append(c.args, c.db.list(byLength[n]))
		ways = append(ways, fmt.Sprintf("%s AND substr(%s, %d, 1) IN ('', '/')",
			c.db.in("substr("+column+", 1, "+strconv.Itoa(n)+")", len(c.args)), column, n+1))
	}
	return "(" + strings.Join(ways, " OR ") + ")"
}

// underAny compares with each of the scopes, whose number does not matter to the text.
func (c *compiler) underAny(column string, scopes []pim.Scope) string {
	values := make([]string, len(scopes))
	for i, s := range scopes {
		values[i] = plain(string(s))
	}
	c.args = append(c.args, c.db.list(values))
	return fmt.Sprintf("EXISTS (SELECT 1 FROM %[2]s WHERE %[1]s = v.value OR %[1]s >= v.value || '/' AND %[1]s < v.value || '0')",
		column, c.db.values(len(c.args)))
}
