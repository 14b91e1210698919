package arm

import (
	"strings"

	"portcullis/internal/pim"
)

// Ids of what stands under Microsoft.Authorization (reference arm-pim §3, "Ids and types on the wire"). Clients take them apart and
// look at the letter case.

// idIn is the id of something in a collection at a place, which is a scope in its own spelling ("/" or "" is the root).
func idIn(place, collection, name string) string {
	if place == "/" {
		place = ""
	}
	return place + under(collection) + "/" + name
}

// typeOf is the type of what is in a collection.
func typeOf(collection string) string { return authorization + "/" + collection }

// roleID is the id of a role definition as it is shown at a place: under its subscription, where it is in one.
func roleID(place string, role pim.RoleID) string {
	parts := strings.SplitN(place, "/", 4)
	if len(parts) > 2 && strings.EqualFold(parts[1], "subscriptions") {
		return idIn("/subscriptions/"+parts[2], "roleDefinitions", string(role))
	}
	return idIn("", "roleDefinitions", string(role))
}

// lastGUID is the id at the end of what a caller sent: a bare one, or the last part of a longer id, whatever stands before it.
func lastGUID(text string) (string, bool) {
	text = strings.ToLower(strings.Trim(strings.TrimSpace(text), "/"))
	if id := text[strings.LastIndexByte(text, '/')+1:]; isUUID(id) {
		return id, true
	}
	return "", false
}
