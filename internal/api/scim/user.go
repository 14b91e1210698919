package scim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"unicode"

	lib "github.com/elimity-com/scim"

	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// Users (RFC 7643 §4.1 and §4.3).

// text is an attribute that is one text, and where it is kept: in a field, or among the further texts of a user.
type text struct {
	// path is the attribute's, in the resource or in the object of an extension.
	extension, outer, name string
	field                  func(*directory.Object) *string
	further                string
}

func texts() []text {
	return []text{
		{name: "externalId", field: func(o *directory.Object) *string { return &o.ExternalID }},
		{name: "userName", field: func(o *directory.Object) *string { return &o.User.PrincipalName }},
		{name: "displayName", field: func(o *directory.Object) *string { return &o.DisplayName }},
		{name: "title", field: func(o *directory.Object) *string { return &o.User.JobTitle }},
		{name: "preferredLanguage", field: func(o *directory.Object) *string { return &o.User.PreferredLanguage }},
		{outer: "name", name: "givenName", field: func(o *directory.Object) *string { return &o.User.GivenName }},
		{outer: "name", name: "familyName", field: func(o *directory.Object) *string { return &o.User.Surname }},
		{outer: "name", name: "formatted", further: "formattedName"},
		{outer: "name", name: "middleName", further: "middleName"},
		{outer: "name", name: "honorificPrefix", further: "honorificPrefix"},
		{outer: "name", name: "honorificSuffix", further: "honorificSuffix"},
		{name: "nickName", further: "nickName"},
		{name: "profileUrl", further: "profileUrl"},
		{name: "userType", further: "employeeType"},
		{name: "locale", further: "locale"},
		{name: "timezone", further: "timezone"},
		{extension: enterprise, name: "employeeNumber", field: func(o *directory.Object) *string { return &o.User.EmployeeID }},
		{extension: enterprise, name: "department", field: func(o *directory.Object) *string { return &o.User.Department }},
		{extension: enterprise, name: "organization", further: "companyName"},
		{extension: enterprise, name: "costCenter", further: "employeeOrgData/costCenter"},
		{extension: enterprise, name: "division", further: "employeeOrgData/division"},
	}
}

// get reads the text of an account.
func (t text) get(o *directory.Object) string {
	if t.field != nil {
		return *t.field(o)
	}
	return o.User.Further[t.further]
}

// set writes the text of an account; empty: it has none.
func (t text) set(o *directory.Object, value string) {
	switch {
	case t.field != nil:
		*t.field(o) = value
	case value == "":
		delete(o.User.Further, t.further)
	case o.User.Further == nil:
		o.User.Further = map[string]string{t.further: value}
	default:
		o.User.Further[t.further] = value
	}
}

// within is the object that the text stands in, nil if there is none; with make it is made.
func (t text) within(r resource, create bool) resource {
	for _, name := range []string{t.extension, t.outer} {
		if name == "" {
			continue
		}
		inner, ok := r[name].(resource)
		if !ok && create {
			inner = resource{}
			r[name] = inner
		}
		r = inner
	}
	return r
}

// writeUser is a user without what only the server knows, as patches change it and as it is told.
func writeUser(o directory.Object) resource {
	r := resource{"active": o.Enabled}
	for _, t := range texts() {
		if value := t.get(&o); value != "" {
			t.within(r, true)[t.name] = value
		}
	}
	put(r, "emails", writeEmails(o.User))
	put(r, "phoneNumbers", writePhones(o.User))
	put(r, "addresses", writeAddresses(o.User))
	if m := o.User.Manager; m != "" {
		text{extension: enterprise}.within(r, true)["manager"] = resource{"value": string(m)}
	}
	return r
}

func put(r resource, name string, list []any) {
	if len(list) > 0 {
		r[name] = list
	}
}

// user is a user as it is told.
func (c *call) user(o directory.Object) resource {
	r := writeUser(o)
	u := o.User
	if whole := strings.TrimSpace(u.GivenName + " " + u.Surname); whole != "" {
		name := text{outer: "name"}.within(r, true)
		if name["formatted"] == nil {
			name["formatted"] = whole
		}
	}
	if u.Manager != "" {
		text{extension: enterprise}.within(r, true)["manager"] = resource{"value": string(u.Manager), "$ref": c.location(c.s.users, u.Manager)}
	}
	return c.complete(c.s.users, o, r)
}

// complete adds what the server alone says of a resource.
func (c *call) complete(k *kind, o directory.Object, r resource) resource {
	modified := o.Modified
	if modified.IsZero() {
		modified = o.Created
	}
	r["schemas"], r["id"] = k.schemas(), string(o.ID)
	r["meta"] = resource{
		"resourceType": k.name, "created": o.Created.UTC(), "lastModified": modified.UTC(),
		"location": c.location(k, o.ID), "version": versionOf(o),
	}
	return r
}

// readUser makes an account what the resource says: what the resource leaves out it has no longer, but for whether it is
// active.
func readUser(r resource, o *directory.Object) error {
	for _, t := range texts() {
		value, _ := t.within(r, false)[t.name].(string)
		t.set(o, value)
	}
	if active, ok := r["active"].(bool); ok {
		o.Enabled = active
	}
	u := o.User
	if o.DisplayName == "" {
		o.DisplayName = cmp.Or(u.Further["formattedName"], strings.TrimSpace(u.GivenName+" "+u.Surname), u.PrincipalName)
	}
	if u.PrincipalName == "" {
		return invalidValue("userName: a user has a name.")
	}
	readEmails(elements(r["emails"]), u)
	readPhones(elements(r["phoneNumbers"]), u)
	readAddresses(elements(r["addresses"]), u)
	u.Manager = ""
	if m, ok := (text{extension: enterprise}).within(r, false)["manager"].(resource); ok {
		value, _ := m["value"].(string)
		u.Manager = pim.PrincipalID(value)
	}
	return nil
}

// The further texts by which values of a type are kept.
const (
	homeMail, homePhone, fax, pager, otherPhone = "homeMail", "homePhone", "faxNumber", "pager", "otherPhone"
	street, city, state, postalCode, country    = "streetAddress", "city", "state", "postalCode", "country"
)

func setFurther(u *directory.User, name, value string) {
	text{further: name}.set(&directory.Object{User: u}, value)
}

func writeEmails(u *directory.User) []any {
	var list []any
	if u.Mail != "" {
		list = append(list, resource{"type": "work", "value": u.Mail, "primary": true})
	}
	if home := u.Further[homeMail]; home != "" {
		list = append(list, resource{"type": "home", "value": home})
	}
	for _, m := range u.OtherMails {
		list = append(list, resource{"type": "other", "value": m})
	}
	return list
}

// ownMail is the place of the account's own address in a list, -1 for none: of those for work the one that was made the
// primary one last, or the first; else the primary one; else the first of no type.
func ownMail(list []resource) int {
	best, rank := -1, 0
	for i, m := range list {
		this := 0
		switch primary := m["primary"] == true; {
		case valueOf(m) == "":
		case typeOf(m) == "work" && primary:
			this = 4
		case typeOf(m) == "work":
			this = 3
		case primary:
			this = 2
		case typeOf(m) == "":
			this = 1
		}
		if this > rank || this == rank && this == 4 {
			best, rank = i, this
		}
	}
	return best
}

// readEmails takes the addresses of an account from a list.
func readEmails(list []resource, u *directory.User) {
	u.Mail, u.OtherMails = "", nil
	setFurther(u, homeMail, "")
	own := ownMail(list)
	for i, m := range list {
		switch value := valueOf(m); {
		case value == "":
		case i == own:
			u.Mail = value
		case typeOf(m) == "home" && u.Further[homeMail] == "":
			setFurther(u, homeMail, value)
		case !slices.Contains(u.OtherMails, value):
			u.OtherMails = append(u.OtherMails, value)
		}
	}
}

func typeOf(m resource) string {
	t, _ := m["type"].(string)
	return strings.ToLower(t)
}

func valueOf(m resource) string {
	v, _ := m["value"].(string)
	return strings.TrimSpace(v)
}

// phoneTypes are the types of phone numbers of which one is kept, by the further text that keeps it.
func phoneTypes() [][2]string {
	return [][2]string{{"home", homePhone}, {"fax", fax}, {"pager", pager}, {"other", otherPhone}}
}

func writePhones(u *directory.User) []any {
	var list []any
	add := func(kind, value string) {
		if value != "" {
			list = append(list, resource{"type": kind, "value": value})
		}
	}
	for _, p := range u.BusinessPhones {
		add("work", p)
	}
	add("mobile", u.MobilePhone)
	for _, t := range phoneTypes() {
		add(t[0], u.Further[t[1]])
	}
	return list
}

func readPhones(list []resource, u *directory.User) {
	u.BusinessPhones, u.MobilePhone = nil, ""
	for _, t := range phoneTypes() {
		setFurther(u, t[1], "")
	}
	for _, m := range list {
		value, kind := valueOf(m), typeOf(m)
		switch {
		case value == "":
		case kind == "work" || kind == "":
			u.BusinessPhones = append(u.BusinessPhones, value)
		case kind == "mobile" && u.MobilePhone == "":
			u.MobilePhone = value
		default:
			for _, t := range phoneTypes() {
				if t[0] == kind && u.Further[t[1]] == "" {
					setFurther(u, t[1], value)
				}
			}
		}
	}
}

// addressParts are the parts of an address by the further text that keeps each.
func addressParts() [][2]string {
	return [][2]string{{"streetAddress", street}, {"locality", city}, {"region", state}, {"postalCode", postalCode}, {"country", country}}
}

func writeAddresses(u *directory.User) []any {
	m := resource{}
	if u.OfficeLocation != "" {
		m["formatted"] = u.OfficeLocation
	}
	for _, p := range addressParts() {
		if value := u.Further[p[1]]; value != "" {
			m[p[0]] = value
		}
	}
	if len(m) == 0 {
		return nil
	}
	m["type"] = "work"
	return []any{m}
}

// readAddresses keeps the address of work, or one of no type.
func readAddresses(list []resource, u *directory.User) {
	var work resource
	for _, m := range list {
		if kind := typeOf(m); work == nil && (kind == "work" || kind == "") {
			work = m
		}
	}
	part := func(name string) string {
		value, _ := work[name].(string)
		return oneLine(value)
	}
	u.OfficeLocation = part("formatted")
	for _, p := range addressParts() {
		setFurther(u, p[1], part(p[0]))
	}
}

// oneLine makes a text of several lines one: what is kept here has no line breaks.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) }), ", ")
}

// users serves the operations on users for the library.
type users struct{ *call }

// Create implements scim.ResourceHandler.
func (u users) Create(_ *http.Request, a lib.ResourceAttributes) (lib.Resource, error) {
	o := directory.Object{Kind: directory.KindUser, Enabled: true, User: &directory.User{Type: "Member"}}
	if err := readUser(resource(a), &o); err != nil {
		return lib.Resource{}, u.failed(err)
	}
	o.User.MailNickname = nickname(strings.Split(o.User.PrincipalName, "@")[0])
	made, err := u.s.app.CreateUser(u.Context(), u.Caller, u.Tenant,
		app.NewUser{DisplayName: o.DisplayName, Enabled: o.Enabled, ExternalID: o.ExternalID, User: *o.User})
	if err != nil {
		return lib.Resource{}, u.failed(changed(err))
	}
	return u.done(http.StatusCreated, u.user(made))
}

// Get implements scim.ResourceHandler.
func (u users) Get(_ *http.Request, id string) (lib.Resource, error) {
	o, err := u.object(id)
	if err != nil {
		return lib.Resource{}, u.failed(err)
	}
	r := u.user(o)
	if asksFor(u.URL.Query(), "groups") {
		if r["groups"], err = u.groupsOfUser(o.ID); err != nil {
			return lib.Resource{}, u.failed(err)
		}
	}
	return u.done(http.StatusOK, r)
}

// GetAll implements scim.ResourceHandler.
func (u users) GetAll(*http.Request, lib.ListRequestParams) (lib.Page, error) { return u.listed() }

// Replace implements scim.ResourceHandler.
func (u users) Replace(_ *http.Request, id string, a lib.ResourceAttributes) (lib.Resource, error) {
	return u.edit(id, func(o *directory.Object) error { return readUser(resource(a), o) })
}

// Patch implements scim.ResourceHandler.
func (u users) Patch(_ *http.Request, id string, ops []lib.PatchOperation) (lib.Resource, error) {
	return u.edit(id, func(o *directory.Object) error {
		r := writeUser(*o)
		for _, op := range ops {
			if err := u.k.patch(r, op); err != nil {
				return err
			}
		}
		return readUser(r, o)
	})
}

// edit changes a user as long as it is the one that the caller has seen.
func (u users) edit(id string, change func(*directory.Object) error) (lib.Resource, error) {
	if _, err := u.object(id); err != nil {
		return lib.Resource{}, u.failed(err)
	}
	after, err := u.s.app.UpdateUser(u.Context(), u.Caller, u.Tenant, pim.PrincipalID(id), func(o *directory.Object) error {
		if err := u.unchanged(*o); err != nil {
			return err
		}
		return change(o)
	})
	if err != nil {
		return lib.Resource{}, u.failed(changed(err))
	}
	return u.done(http.StatusOK, u.user(after))
}

// Delete implements scim.ResourceHandler.
func (u users) Delete(_ *http.Request, id string) error {
	o, err := u.object(id)
	if err == nil {
		err = u.unchanged(o)
	}
	if err == nil {
		err = u.s.app.DeleteUser(u.Context(), u.Caller, u.Tenant, o.ID)
	}
	if err != nil {
		return u.failed(err)
	}
	return nil
}

// nickname makes a mail nickname of a name.
func nickname(name string) string {
	out := strings.Map(func(r rune) rune {
		if r > ' ' && r <= '~' && !strings.ContainsRune(`@()\[]";:<>,`, r) {
			return r
		}
		return -1
	}, name)
	return out[:min(len(out), 64)]
}
