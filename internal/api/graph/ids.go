package graph

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// Ids of instances and of plain assignments (reference graph-pim §2): the bytes of role, principal and, for a scope
// other than the tenant, of the scope's object, as .NET writes a Guid, in base64url, with an ending that tells the
// kind. A row that a member has by a group names that group too, so that no two rows of a list share an id.
const (
	endAssignment  = "-1"
	endEligibility = "-1-e"
	endByGroup     = "-g"

	guidBytes = 16
)

// grantKey is what such an id tells.
type grantKey struct {
	kind      pim.Kind
	role      pim.RoleID
	principal pim.PrincipalID
	scope     string // id of the scope's object; empty for the tenant
	group     pim.PrincipalID
}

// String is the id.
func (k grantKey) String() string { return string(k.append(nil)) }

// append appends the id. Lists write one for each row, so it makes nothing on the way.
func (k grantKey) append(b []byte) []byte {
	var buffer [4 * guidBytes]byte
	bytes := appendGUID(buffer[:0], string(k.role))
	bytes = appendGUID(bytes, string(k.principal))
	if k.scope != "" {
		bytes = appendGUID(bytes, k.scope)
	}
	if k.group != "" {
		bytes = appendGUID(bytes, string(k.group))
	}
	b = base64.RawURLEncoding.AppendEncode(b, bytes)
	if k.kind == pim.Eligibility {
		b = append(b, endEligibility...)
	} else {
		b = append(b, endAssignment...)
	}
	if k.group != "" {
		b = append(b, endByGroup...)
	}
	return b
}

// grantID is the id of an instance, and of the plain assignment that it makes.
func grantID(i pim.Instance) string { return string(appendGrantID(nil, i)) }

func appendGrantID(b []byte, i pim.Instance) []byte {
	if i.Schedule.Key.Provider == pim.Group {
		return groupInstance(i).append(b)
	}
	return keyOf(i).append(b)
}

func keyOf(i pim.Instance) grantKey {
	k := grantKey{kind: i.Schedule.Kind, role: i.Schedule.Key.Role, principal: i.Principal, scope: scopeObject(i.Schedule.Key.Scope)}
	if i.Member == pim.ByGroup {
		k.group = i.Schedule.Key.Principal
	}
	return k
}

// scopeObject is the id of the object that a scope names, which of the sides of groups is the group; empty for the tenant.
func scopeObject(s pim.Scope) string {
	if unit, ok := s.Unit(); ok {
		return unit
	}
	if wire.IsGUID(string(s)) {
		return string(s)
	}
	id, _ := s.Object()
	return id
}

// parseGrantID reads an id of an instance or plain assignment. False for any other text.
func parseGrantID(id string) (grantKey, bool) {
	k := grantKey{kind: pim.Assignment}
	text, byGroup := strings.CutSuffix(id, endByGroup)
	text, eligible := strings.CutSuffix(text, endEligibility)
	if eligible {
		k.kind = pim.Eligibility
	} else if text, eligible = strings.CutSuffix(text, endAssignment); !eligible {
		return k, false
	}
	bytes, err := base64.RawURLEncoding.Strict().DecodeString(text)
	n := len(bytes) / guidBytes
	want := 2
	if byGroup {
		want = 3
	}
	// The decoder skips line ends, which no id of ours has.
	if err != nil || strings.ContainsAny(text, "\r\n") || len(bytes)%guidBytes != 0 || n != want && n != want+1 {
		return k, false
	}
	part := func(i int) string { return guidText(bytes[i*guidBytes:]) }
	k.role, k.principal = pim.RoleID(part(0)), pim.PrincipalID(part(1))
	if n > want {
		k.scope = part(2)
	}
	if byGroup {
		k.group = pim.PrincipalID(part(n - 1))
	}
	return k, true
}

// groupKey is what ids of the sides of groups tell (reference graph-pim §2): {group}_{access}_{guid}. A schedule's guid is
// its own. An instance has another one, but for rows made outside PIM; the row that a member of a nested group has names
// that member behind it.
type groupKey struct {
	group  pim.Scope
	access pim.RoleID
	guid   string
	member pim.PrincipalID
}

// groupSchedule is the key of a schedule of a group's side.
func groupSchedule(k pim.Key, id pim.ScheduleID) groupKey {
	return groupKey{group: k.Scope, access: k.Role, guid: string(id)}
}

func groupInstance(i pim.Instance) groupKey {
	k := groupSchedule(i.Schedule.Key, i.Schedule.ID)
	if !outside(i) {
		k.guid = turned(k.guid)
	}
	if i.Member == pim.ByGroup {
		k.member = i.Principal
	}
	return k
}

// String is the id; empty for the key of no schedule.
func (k groupKey) String() string {
	if k.guid == "" {
		return ""
	}
	return string(k.append(nil))
}

func (k groupKey) append(b []byte) []byte {
	b = append(append(b, k.group...), '_')
	b = append(append(b, k.access...), '_')
	b = append(b, k.guid...)
	if k.member != "" {
		b = append(append(b, '_'), k.member...)
	}
	return b
}

// parseGroupKey reads an id of a schedule or instance of a group's side. False for any other text.
func parseGroupKey(id string) (groupKey, bool) {
	parts := strings.Split(strings.ToLower(id), "_")
	if len(parts) != 3 && len(parts) != 4 || !wire.IsGUID(parts[0]) || !wire.IsGUID(parts[2]) {
		return groupKey{}, false
	}
	k := groupKey{group: pim.Scope(parts[0]), access: pim.RoleID(parts[1]), guid: parts[2]}
	if len(parts) == 4 {
		k.member = pim.PrincipalID(parts[3])
	}
	return k, (k.access == pim.Member || k.access == pim.Owner) && (len(parts) == 3 || wire.IsGUID(parts[3]))
}

// turned is the GUID of an instance out of that of its schedule, and the other way round: the digits of its last group are
// turned over, so that it stays a GUID of the same version and no two schedules share one.
func turned(guid string) string {
	const last = 24
	if !wire.IsGUID(guid) {
		return guid
	}
	b := []byte(guid)
	for i := last; i < len(b); i++ {
		b[i] = "0123456789abcdef"[15-nibble(b[i])]
	}
	return string(b)
}

// guidOrder is the place of each byte of a GUID's text among its bytes: the first three groups are little-endian.
var guidOrder = [guidBytes]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

// appendGUID appends the bytes of a GUID. A text that is none, which no id of ours is, gives zeroes.
func appendGUID(b []byte, text string) []byte {
	var out [guidBytes]byte
	if wire.IsGUID(text) {
		n := 0
		for _, at := range guidOrder {
			if text[n] == '-' {
				n++
			}
			out[at] = nibble(text[n])<<4 | nibble(text[n+1])
			n += 2
		}
	}
	return append(b, out[:]...)
}

// nibble is the value of a hexadecimal digit.
func nibble(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

func guidText(b []byte) string {
	var bytes [guidBytes]byte
	for i, at := range guidOrder {
		bytes[i] = b[at]
	}
	s := hex.EncodeToString(bytes[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// parseScope reads a directoryScopeId. Equal scopes come out as equal texts; whether there is such a thing is found out
// by who decides.
func parseScope(text string) (pim.Scope, bool) {
	const units = "/administrativeunits/"
	lower := strings.ToLower(strings.TrimSpace(text))
	switch {
	case lower == "":
		return "", false
	case !strings.HasPrefix(lower, "/"):
		lower = "/" + lower
	}
	if id, ok := strings.CutPrefix(lower, units); ok {
		return pim.AdministrativeUnit(id), wire.IsGUID(id)
	}
	return pim.Scope(lower), lower == "/" || wire.IsGUID(lower[1:])
}
