package graph

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// The audit log: directoryAudit and the complex types in it (learn.microsoft.com/graph/api/resources/directoryaudit;
// what PIM writes there is in reference graph-pim §16).

const auditSet = "auditLogs/directoryAudits"

// auditPrefix stands before the id of every entry.
const auditPrefix = "PIM_"

func auditRoutes() []route {
	read := both([]string{"AuditLog.Read.All"}, dirRead)
	return append(counted(auditSet, read, listAudits), get(auditSet+"/{id}", read, getAudit))
}

func (k *kinds) setAudit() {
	k.auditNames = auditNames()
	k.audit = kind[pim.Event]{
		Set: auditSet, Type: "directoryAudit", Schema: &odata.Schema{Properties: auditProperties()}, Columns: auditColumns(k.auditNames),
		Write: writeAudit, Value: auditValue, Key: func(e pim.Event) string { return auditPrefix + string(e.ID) },
	}
}

// auditReader refuses who may not read the log, in the words that its callers know (reference graph-pim §4.2).
func auditReader(c *call) error {
	if pim.MayAudit(c.Caller) {
		return nil
	}
	return &problem{Status: http.StatusForbidden, Code: "Authentication_RequestFromUnsupportedUserRole",
		Message: "User is not in the allowed roles"}
}

// auditPage reads a page of the log, the latest entry first unless asked otherwise.
func auditPage(c *call) listing.Fetcher[pim.Event] {
	return func(q store.Query) (store.Page[pim.Event], error) {
		if len(q.Order) == 0 {
			q.Order = []store.Order{{Field: store.FieldAt, Desc: true}}
		}
		return c.app.Events(c.Context(), c.Caller, q)
	}
}

func listAudits(c *call) (api.Answer, error) {
	if err := auditReader(c); err != nil {
		return api.Answer{}, err
	}
	return listing.List(c, c.auditKind(), auditPage(c))
}

// auditKind is the type with the one condition that depends on the caller: whose directory it is.
func (c *call) auditKind() *kind[pim.Event] {
	k := c.audit
	k.Columns = listing.Columns{}
	for name, col := range c.audit.Columns {
		k.Columns[name] = col
	}
	k.Columns["targetResources"] = listing.Column{Any: auditTargets(string(c.Tenant)), Loose: true}
	return &k
}

func getAudit(c *call) (api.Answer, error) {
	if err := auditReader(c); err != nil {
		return api.Answer{}, err
	}
	id, ok := auditID(c.PathValue("id"))
	if !ok {
		return api.Answer{}, notFound(c.PathValue("id"))
	}
	page, err := c.app.Events(c.Context(), c.Caller, store.Query{Tenant: c.Tenant, Limit: 1, Where: store.Is(store.FieldID, id)})
	if err != nil {
		return api.Answer{}, err
	}
	if len(page.Rows) == 0 {
		return api.Answer{}, notFound(c.PathValue("id"))
	}
	return listing.One(c, &c.audit, http.StatusOK, page.Rows[0])
}

// auditID is the id of an event in that of an entry.
func auditID(text string) (string, bool) {
	if len(text) <= len(auditPrefix) || !strings.EqualFold(text[:len(auditPrefix)], auditPrefix) {
		return "", false
	}
	return strings.ToLower(text[len(auditPrefix):]), true
}

func auditProperties() []odata.Property {
	complex := func(name string, of ...odata.Property) odata.Property {
		return odata.Property{Name: name, Kind: odata.KindComplex, Filterable: true, Properties: of}
	}
	lists := func(name string, of ...odata.Property) odata.Property {
		return odata.Property{Name: name, Kind: odata.KindCollection, Filterable: true, Properties: of}
	}
	return []odata.Property{
		idProperty("id"), timeProperty("activityDateTime", true), textProperty("activityDisplayName"), textProperty("category"),
		idProperty("correlationId"), textProperty("loggedByService"), textProperty("operationType"),
		enumProperty("result", "success", "failure", "timeout", "unknownFutureValue"), textProperty("resultReason"),
		complex("initiatedBy",
			complex("user", idProperty("id"), textProperty("displayName"), textProperty("userPrincipalName"), textProperty("ipAddress")),
			complex("app", idProperty("appId"), textProperty("displayName"), idProperty("servicePrincipalId"), textProperty("servicePrincipalName"))),
		lists("targetResources", idProperty("id"), textProperty("displayName"), textProperty("type"), textProperty("userPrincipalName"),
			enumProperty("groupType", "unifiedGroups", "azureAD", "unknownFutureValue"),
			lists("modifiedProperties", textProperty("displayName"), exactProperty("oldValue"), exactProperty("newValue"))),
		lists("additionalDetails", exactProperty("key"), exactProperty("value")),
	}
}

func writeAudit(c *call, o *object, e pim.Event) {
	n := c.auditNames.named(&e)
	o.Str("id", auditPrefix+string(e.ID))
	o.Time("activityDateTime", e.At)
	o.Str("activityDisplayName", n.name)
	if o.Member("additionalDetails") {
		o.B = appendPairs(o.B, "key", "value", auditDetails(&e))
	}
	o.Str("category", auditCategory(n, &e))
	o.Str("correlationId", correlation(&e))
	if o.Member("initiatedBy") {
		o.B = appendInitiator(o.B, e.By)
	}
	o.Str("loggedByService", n.service())
	o.Text("operationType", n.operation)
	o.Str("result", auditResult(&e))
	o.Text("resultReason", auditReason(&e))
	if o.Member("targetResources") {
		o.B = appendTargets(o.B, auditTargetsOf(n, &e))
	}
}

func auditResult(e *pim.Event) string {
	if e.Success {
		return "success"
	}
	return "failure"
}

// auditReason is why something failed, or what somebody gave as their reason.
func auditReason(e *pim.Event) string {
	if e.Activity == pim.FailedRequest && len(e.Details) > 1 && e.Details[0] == "reason" {
		return e.Details[1]
	}
	return e.Reason
}

// correlation is the request, which ties what became of one together; an entry about none is alone.
func correlation(e *pim.Event) string { return cmp.Or(string(e.Request), string(e.ID)) }

// auditCategory is the category of an entry.
func auditCategory(n auditName, e *pim.Event) string {
	if n.category != "" {
		return n.category
	}
	return categoryOf(e.Key.Provider)
}

func categoryOf(p pim.Provider) string {
	switch p {
	case pim.Group:
		return "GroupManagement"
	case pim.Resource:
		return "ResourceManagement"
	case pim.Directory:
	}
	return "RoleManagement"
}

// auditDetails are the additional details of an entry: name, value, name, value.
func auditDetails(e *pim.Event) []string {
	var out []string
	add := func(key, value string) {
		if value != "" {
			out = append(out, key, value)
		}
	}
	if e.Key.Provider == pim.Directory && e.Key.Role != "" {
		out = append(out, roleOrigin(e.Key.Role)...)
	}
	add("StartTime", timeText(e.Start))
	add("ExpirationTime", timeText(e.End))
	if e.Activity != pim.Refused && e.Activity != pim.DoorStuck && e.Activity != pim.MailStuck { // whose reason is ours
		add("Justification", e.Reason)
	}
	add("oid", string(e.By.Principal))
	add("tid", string(e.Tenant))
	add("ipaddr", e.By.Address)
	add("RequestId", string(e.Request))
	add("TicketNumber", e.Ticket.Number)
	add("TicketSystem", e.Ticket.System)
	if e.Activity == pim.DirectoryChanged { // what changed stands with what was changed
		return out
	}
	return append(out, e.Details[:len(e.Details)/2*2]...)
}

// roleOrigin says where a role definition comes from.
func roleOrigin(r pim.RoleID) []string {
	kind := "CustomRole"
	if _, ok := catalog.ByID(string(r)); ok {
		kind = "BuiltInRole"
	}
	return []string{"RoleDefinitionOriginId", string(r), "RoleDefinitionOriginType", kind, "TemplateId", string(r)}
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strings.Trim(string(api.AppendTime(nil, t)), `"`)
}

// appendPairs writes name, value pairs as a list of objects.
func appendPairs(b []byte, name, value string, pairs []string) []byte {
	b = append(b, '[')
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		o := wire.New(b, nil)
		o.Str(name, pairs[i])
		o.Str(value, pairs[i+1])
		b = o.End()
	}
	return append(b, ']')
}

// byUser says whether a person asked.
func byUser(a pim.Actor) bool { return a.Kind == pim.UserPrincipal }

// appName is how the log names who is no person: time is MS-PIM.
func appName(a pim.Actor) string {
	if a.Kind == 0 && a.Name == "" {
		return clockName
	}
	return a.Name
}

func appendInitiator(b []byte, a pim.Actor) []byte {
	o := wire.New(b, nil)
	if byUser(a) {
		o.Null("app")
		o.Name("user")
		u := wire.New(o.B, nil)
		u.Text("id", string(a.Principal))
		u.Text("displayName", a.Name)
		u.Text("ipAddress", a.Address)
		u.Text("userPrincipalName", a.Account)
		o.B = u.End()
		return o.End()
	}
	o.Name("app")
	p := wire.New(o.B, nil)
	p.Text("appId", a.Account)
	p.Text("displayName", appName(a))
	p.Text("servicePrincipalId", string(a.Principal))
	p.Null("servicePrincipalName")
	o.B = p.End()
	o.Null("user")
	return o.End()
}

// auditTarget is one thing that an entry is about.
type auditTarget struct {
	typ, id, name, account string
	// changed are its modified properties.
	changed []pim.Change
}

// auditTargetsOf are the targets in the order that callers count on (reference graph-pim §16): the role, the request, the
// principal, the directory or resource, and another. Changes of the directory have what was changed first.
func auditTargetsOf(n auditName, e *pim.Event) []auditTarget {
	who, role, place := principalTarget(e), roleTarget(e), scopeTarget(e)
	if n.service() == coreService {
		switch {
		case e.Key.Provider == pim.Group:
			return []auditTarget{who, place, role}
		case e.Key.Role != "":
			return []auditTarget{role, place}
		}
		return []auditTarget{who, place}
	}
	return []auditTarget{role, {typ: "Request", id: string(e.Request)}, who, place, {typ: "Other"}}
}

func principalTarget(e *pim.Event) auditTarget {
	t := auditTarget{typ: principalType(e.Principal.Kind), id: cmp.Or(string(e.Principal.ID), string(e.Key.Principal)), name: e.Principal.Name}
	if e.Principal.Kind == pim.UserPrincipal {
		t.account = e.Principal.Account
	}
	word, _, changed := e.Changes()
	if word == "unit" {
		t.typ = "AdministrativeUnit"
	}
	t.changed = changed
	return t
}

func roleTarget(e *pim.Event) auditTarget {
	t := auditTarget{typ: "Role", id: string(e.Key.Role), name: e.RoleName}
	if e.Key.Provider == pim.Directory && e.Key.Role != "" {
		origin := roleOrigin(e.Key.Role)
		for i := 0; i+1 < len(origin); i += 2 {
			t.changed = append(t.changed, pim.Change{Name: origin[i], New: origin[i+1]})
		}
	}
	return t
}

func principalType(k pim.PrincipalKind) string {
	switch k {
	case pim.UserPrincipal:
		return "User"
	case pim.GroupPrincipal:
		return "Group"
	case pim.ServicePrincipal:
		return "ServicePrincipal"
	}
	return "Other"
}

// scopeTarget is where an entry's role holds: the directory, a part of it, or a group.
func scopeTarget(e *pim.Event) auditTarget {
	if e.Key.Provider == pim.Group {
		return auditTarget{typ: "Group", id: string(e.Key.Scope)}
	}
	if unit, ok := e.Key.Scope.Unit(); ok {
		return auditTarget{typ: "AdministrativeUnit", id: unit}
	}
	if object, ok := e.Key.Scope.Object(); ok {
		return auditTarget{typ: "Other", id: object}
	}
	return auditTarget{typ: "Directory", id: string(e.Tenant)}
}

func appendTargets(b []byte, list []auditTarget) []byte {
	b = append(b, '[')
	for i, t := range list {
		if i > 0 {
			b = append(b, ',')
		}
		o := wire.New(b, nil)
		o.Text("displayName", t.name)
		if t.typ == "Group" {
			o.Str("groupType", "azureAD")
		} else {
			o.Null("groupType")
		}
		o.Text("id", t.id)
		o.Name("modifiedProperties")
		o.B = appendModified(o.B, t.changed)
		o.Text("type", t.typ)
		o.Text("userPrincipalName", t.account)
		b = o.End()
	}
	return append(b, ']')
}

// appendModified writes modified properties. A value is the text of a JSON text, as the service writes it.
func appendModified(b []byte, changed []pim.Change) []byte {
	b = append(b, '[')
	for i, p := range changed {
		if i > 0 {
			b = append(b, ',')
		}
		o := wire.New(b, nil)
		o.Str("displayName", p.Name)
		o.Str("newValue", quoted(p.New))
		o.Str("oldValue", quoted(p.Old))
		b = o.End()
	}
	return append(b, ']')
}

func quoted(s string) string { return string(api.AppendText(nil, s)) }

// auditValue is a property of an entry, for filters that are finished in memory.
func auditValue(c *call, e pim.Event, path []string) any {
	n := c.auditNames.named(&e)
	switch path[0] {
	case "id":
		return auditPrefix + string(e.ID)
	case "activityDateTime":
		return e.At
	case "activityDisplayName":
		return n.name
	case "category":
		return auditCategory(n, &e)
	case "correlationId":
		return correlation(&e)
	case "loggedByService":
		return n.service()
	case "operationType":
		return listing.TextValue(n.operation)
	case "result":
		return auditResult(&e)
	case "resultReason":
		return listing.TextValue(auditReason(&e))
	case "initiatedBy":
		return initiatorValue(e.By, path[1:])
	case "targetResources":
		return targetValues(auditTargetsOf(n, &e))
	case "additionalDetails":
		return pairValues("key", "value", auditDetails(&e))
	}
	return nil
}

func initiatorValue(a pim.Actor, path []string) any {
	if len(path) < 2 || (path[0] == "user") != byUser(a) {
		return nil
	}
	switch path[0] + "/" + path[1] {
	case "user/id", "app/servicePrincipalId":
		return listing.TextValue(string(a.Principal))
	case "user/displayName":
		return listing.TextValue(a.Name)
	case "app/displayName":
		return listing.TextValue(appName(a))
	case "user/userPrincipalName", "app/appId":
		return listing.TextValue(a.Account)
	case "user/ipAddress":
		return listing.TextValue(a.Address)
	}
	return nil
}

func targetValues(list []auditTarget) []func([]string) any {
	out := make([]func([]string) any, len(list))
	for i, t := range list {
		out[i] = func(path []string) any {
			if len(path) == 0 {
				return nil
			}
			switch path[0] {
			case "id":
				return listing.TextValue(t.id)
			case "displayName":
				return listing.TextValue(t.name)
			case "type":
				return listing.TextValue(t.typ)
			case "userPrincipalName":
				return listing.TextValue(t.account)
			case "groupType":
				if t.typ == "Group" {
					return "azureAD"
				}
			case "modifiedProperties":
				return modifiedValues(t.changed)
			}
			return nil
		}
	}
	return out
}

func modifiedValues(changed []pim.Change) []func([]string) any {
	out := make([]func([]string) any, len(changed))
	for i, p := range changed {
		out[i] = func(path []string) any {
			switch {
			case len(path) != 1:
			case path[0] == "displayName":
				return listing.TextValue(p.Name)
			case path[0] == "oldValue":
				return quoted(p.Old)
			case path[0] == "newValue":
				return quoted(p.New)
			}
			return nil
		}
	}
	return out
}

func pairValues(name, value string, pairs []string) []func([]string) any {
	var out []func([]string) any
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, func(path []string) any {
			switch {
			case len(path) != 1:
			case path[0] == name:
				return pairs[i]
			case path[0] == value:
				return pairs[i+1]
			}
			return nil
		})
	}
	return out
}
