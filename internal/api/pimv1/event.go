package pimv1

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/governance"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// The log: privilegedOperationEvent (reference pim-v2 §11): of the audit log what gave or took a directory role in the whole
// tenant.

// The words of requestType. Those of alerts and access reviews are never said here.
const (
	assigned    = "Assign"
	activated   = "Activate"
	unassigned  = "Unassign"
	deactivated = "Deactivate"
)

// clockName is who let a grant expire.
const clockName = "Azure AD PIM"

// expired is what the log says of that.
const expired = "Expired"

// eventType is what an event is called.
func eventType(e pim.Event) string {
	switch e.Activity { //nolint:exhaustive // the log holds no others: see toldActivities
	case pim.AssignedOutside:
		return assigned
	case pim.RemovedOutside:
		return unassigned
	case pim.Ended:
		if e.Action == pim.SelfActivate {
			return deactivated
		}
		return unassigned
	}
	switch e.Action { //nolint:exhaustive // what makes no request completes none
	case pim.SelfActivate:
		return activated
	case pim.SelfDeactivate:
		return deactivated
	}
	// What this dialect does to an active assignment it tells by the reason.
	active := e.Kind == pim.Assignment
	switch {
	case active && strings.HasPrefix(e.Reason, makingEligible):
		return deactivated
	case active && strings.HasPrefix(e.Reason, makingPermanent):
		return activated
	case e.Action == pim.AdminRemove:
		return unassigned
	}
	return assigned
}

// toldActivities are the activities that give or take a role, each told once.
func toldActivities() store.Filter {
	any := store.Or{}
	for _, a := range []pim.Activity{pim.CompletedRequest, pim.Ended, pim.AssignedOutside, pim.RemovedOutside} {
		any = append(any, store.Is(store.FieldActivity, int(a)))
	}
	return any
}

func eventKind() kind[pim.Event] {
	subject := listing.IDColumn(store.FieldSubjectID)
	return kind[pim.Event]{
		Set: eventSet, Type: "privilegedOperationEvent",
		Schema: &odata.Schema{Properties: []odata.Property{
			listing.IDProperty("id"), listing.IDProperty("userId"), listing.TextProperty("userName"), listing.TextProperty("userMail"), listing.IDProperty("roleId"), listing.TextProperty("roleName"),
			listing.TimeProperty("expirationDateTime"), listing.TimeProperty("creationDateTime"), listing.IDProperty("requestorId"), listing.TextProperty("requestorName"),
			listing.IDProperty("tenantId"), listing.EnumProperty("requestType", eventTypes()...), listing.TextProperty("additionalInformation"),
			listing.TextProperty("referenceKey"), listing.TextProperty("referenceSystem"),
		}},
		Columns: listing.Columns{
			"id": listing.IDColumn(store.FieldID), "userId": subject, "roleId": listing.IDColumn(store.FieldRole),
			"requestorId": listing.IDColumn(store.FieldActor), "creationDateTime": listing.TimeColumn(store.FieldAt),
			"userName": listing.TextColumn(store.FieldSubject), "roleName": listing.TextColumn(store.FieldRoleName),
		},
		Key: func(e pim.Event) string { return string(e.ID) }, Write: writeEvent, Value: eventValue,
	}
}

// eventTypes are the words that requestType may be compared with.
func eventTypes() []string {
	return []string{assigned, activated, unassigned, deactivated, "ScanAlertsNow", "DismissAlert", "FixAlertItem", "AccessReview_Review",
		"AccessReview_Create", "AccessReview_Update", "AccessReview_Delete"}
}

func requestorName(e pim.Event) string {
	if e.By.Kind == 0 && e.By.Name == "" {
		return clockName
	}
	return e.By.Name
}

// information is the reason, or that time did it.
func information(e pim.Event) string {
	if e.Activity == pim.Ended && e.By.Clock {
		return expired
	}
	return e.Reason
}

// ends is when what an event gave ends; zero for what it took.
func ends(e pim.Event) time.Time {
	if t := eventType(e); t == assigned || t == activated {
		return e.End
	}
	return time.Time{}
}

func writeEvent(c *call, o *object, e pim.Event) {
	o.Str("id", string(e.ID))
	o.Str("userId", string(e.Key.Principal))
	o.Text("userName", e.Principal.Name)
	o.Text("userMail", e.Principal.Account)
	o.Str("roleId", string(e.Key.Role))
	o.Text("roleName", e.RoleName)
	if end := ends(e); end.IsZero() {
		o.Raw("expirationDateTime", []byte(governance.ZeroDate))
	} else {
		o.Time("expirationDateTime", end)
	}
	o.Time("creationDateTime", e.At)
	o.Text("requestorId", string(e.By.Principal))
	o.Text("requestorName", requestorName(e))
	o.Str("tenantId", string(c.Tenant))
	o.Str("requestType", eventType(e))
	o.Text("additionalInformation", information(e))
	o.Text("referenceKey", e.Ticket.Number)
	o.Text("referenceSystem", e.Ticket.System)
}

func eventValue(c *call, e pim.Event, path []string) any {
	switch strings.Join(path, "/") {
	case "id":
		return string(e.ID)
	case "userId":
		return string(e.Key.Principal)
	case "userName":
		return listing.TextValue(e.Principal.Name)
	case "userMail":
		return listing.TextValue(e.Principal.Account)
	case "roleId":
		return string(e.Key.Role)
	case "roleName":
		return listing.TextValue(e.RoleName)
	case "expirationDateTime":
		return ends(e)
	case "creationDateTime":
		return e.At
	case "requestorId":
		return listing.TextValue(string(e.By.Principal))
	case "requestorName":
		return listing.TextValue(requestorName(e))
	}
	return eventRest(c, e, path[0])
}

func eventRest(c *call, e pim.Event, name string) any {
	switch name {
	case "tenantId":
		return string(c.Tenant)
	case "requestType":
		return eventType(e)
	case "additionalInformation":
		return listing.TextValue(information(e))
	case "referenceKey":
		return listing.TextValue(e.Ticket.Number)
	case "referenceSystem":
		return listing.TextValue(e.Ticket.System)
	}
	return nil
}

// events reads pages of the log, the latest first unless asked otherwise.
func (c *call) events(q store.Query) (store.Page[pim.Event], error) {
	q.Where = listing.Every(store.Is(store.FieldProvider, string(pim.Directory)), store.Is(store.FieldScope, string(pim.Everywhere)), toldActivities(), q.Where)
	if len(q.Order) == 0 {
		q.Order = []store.Order{{Field: store.FieldAt, Desc: true}}
	}
	page, err := c.app.Events(c.Context(), c.Caller, q)
	known := len(page.Rows)
	page.Rows = slices.DeleteFunc(page.Rows, func(e pim.Event) bool { return e.Principal.Kind != pim.UserPrincipal })
	if len(page.Rows) < known || len(page.Next) > 0 {
		page.Count = -1 // nobody has counted people alone
	}
	return page, err
}

func listEvents(c *call) (api.Answer, error) { return listing.List(c, &c.kinds.event, c.events) }

func getEvent(c *call) (api.Answer, error) {
	page, err := c.events(store.Query{Tenant: c.Tenant, Limit: 1, Where: store.Is(store.FieldID, c.id("id"))})
	if err != nil {
		return api.Answer{}, err
	}
	if len(page.Rows) == 0 {
		return api.Answer{}, listing.NotFound(c.PathValue("id"))
	}
	return listing.One(c, &c.kinds.event, http.StatusOK, page.Rows[0])
}
