package arm

import (
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
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

// writeID writes idIn as a member, without making the text first. Collections and names need no escapes.
func writeID(o *wire.Object, member, place, collection, name string) {
	if place == "/" {
		place = ""
	}
	o.Name(member)
	o.B = api.AppendText(o.B, place)
	o.B = append(o.B[:len(o.B)-1], "/providers/"+authorization+"/"...)
	o.B = append(append(o.B, collection...), '/')
	o.B = append(append(o.B, name...), '"')
}

// typeOf is the type of what is in a collection.
func typeOf(collection string) string { return authorization + "/" + collection }

// roleID is the id of a role definition as it is shown at a place: under its subscription, where it is in one.
func roleID(place string, role pim.RoleID) string {
	return idIn(roleRoot(place), "roleDefinitions", string(role))
}

// writeRoleID writes it as a member.
func writeRoleID(o *wire.Object, member, place string, role pim.RoleID) {
	writeID(o, member, roleRoot(place), "roleDefinitions", string(role))
}

// roleRoot is the subscription that a place is in, or the root.
func roleRoot(place string) string {
	const subscriptions = "/subscriptions/"
	if len(place) < len(subscriptions) || !strings.EqualFold(place[:len(subscriptions)], subscriptions) {
		return ""
	}
	if end := strings.IndexByte(place[len(subscriptions):], '/'); end >= 0 {
		place = place[:len(subscriptions)+end]
	}
	if strings.HasPrefix(place, subscriptions) {
		return place
	}
	return subscriptions + place[len(subscriptions):]
}

// lastGUID is the id at the end of what a caller sent: a bare one, or the last part of a longer id, whatever stands before it.
func lastGUID(text string) (string, bool) {
	text = strings.ToLower(strings.Trim(strings.TrimSpace(text), "/"))
	if id := text[strings.LastIndexByte(text, '/')+1:]; wire.IsGUID(id) {
		return id, true
	}
	return "", false
}
