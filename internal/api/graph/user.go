package graph

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// Users: user (learn.microsoft.com/graph/api/resources/user).

// defaultUser is what v1.0 shows of a user unless more is selected (reference graph-pim §3.7).
func defaultUser() wire.Selection {
	return wire.Selection{"id": true, "businessPhones": true, "displayName": true, "givenName": true, "jobTitle": true, "mail": true,
		"mobilePhone": true, "officeLocation": true, "preferredLanguage": true, "surname": true, "userPrincipalName": true}
}

func userProperties() []odata.Property {
	return append(append(commonObjectProperties(),
		sortable("userPrincipalName"), sortable("mail"), sortable("mailNickname"),
		boolProperty("accountEnabled"),
		textProperty("givenName"), textProperty("surname"), textProperty("jobTitle"), textProperty("department"),
		textProperty("officeLocation"), textProperty("mobilePhone"), textProperty("preferredLanguage"),
		textProperty("userType"), textProperty("employeeId"), boolProperty("onPremisesSyncEnabled"),
		odata.Property{Name: "businessPhones", Kind: odata.KindCollection, Element: odata.KindString},
		odata.Property{Name: "otherMails", Kind: odata.KindCollection, Element: odata.KindString},
		odata.Property{Name: "proxyAddresses", Kind: odata.KindCollection, Element: odata.KindString},
		odata.Property{Name: "imAddresses", Kind: odata.KindCollection, Element: odata.KindString},
	), listing.PlainProperties(slices.Concat(absentUser(), furtherUser(), []string{"employeeOrgData", inAddressList})...)...)
}

// absentUser are declared properties of which nothing is known here: they are null.
func absentUser() []string {
	return []string{"creationType", "externalUserState", "externalUserStateChangeDateTime", "identities",
		"isManagementRestricted", "onPremisesDistinguishedName", "onPremisesDomainName",
		"onPremisesSamAccountName", "onPremisesSecurityIdentifier", "onPremisesUserPrincipalName",
		"securityIdentifier", "signInActivity", "signInSessionsValidFromDateTime"}
}

func writeUser(c *call, o *object, d directory.Object) {
	u := d.User
	if o.Sel == nil && !c.beta {
		o.Sel = c.userDefault
		if !d.Deleted.IsZero() {
			o.Name("deletedDateTime")
			o.B = wire.AppendTime(o.B, d.Deleted)
		}
		defer func() { o.Sel = nil }()
	}
	o.Texts("businessPhones", u.BusinessPhones)
	o.Text("displayName", d.DisplayName)
	o.Text("givenName", u.GivenName)
	o.Text("jobTitle", u.JobTitle)
	o.Text("mail", u.Mail)
	o.Text("mobilePhone", u.MobilePhone)
	o.Text("officeLocation", u.OfficeLocation)
	o.Text("preferredLanguage", u.PreferredLanguage)
	o.Text("surname", u.Surname)
	o.Text("userPrincipalName", u.PrincipalName)
	writeMoreOfUser(o, d)
}

func writeMoreOfUser(o *object, d directory.Object) {
	u := d.User
	o.Bool("accountEnabled", d.Enabled)
	o.Time("createdDateTime", d.Created)
	o.Text("department", u.Department)
	o.Text("employeeId", u.EmployeeID)
	o.Text("mailNickname", u.MailNickname)
	o.Null("onPremisesSyncEnabled")
	o.Texts("otherMails", u.OtherMails)
	o.Texts("proxyAddresses", nil)
	o.Text("userType", userType(*u))
	o.Time("deletedDateTime", d.Deleted)
	o.Null(absentUserNames...)
	writeFurther(o, u.Further)
}

// declaredFurther are those of the texts that the published extract of the schema declares: they are always there. The
// others are written where they are set or asked for.
var declaredFurther = []string{"companyName", "employeeType", "onPremisesImmutableId", "passwordPolicies", "usageLocation"}

func writeFurther(o *object, further map[string]string) {
	asked := o.Sel != nil
	for _, name := range furtherUserNames {
		if text := further[name]; text != "" || asked || slices.Contains(declaredFurther, name) {
			o.Text(name, text)
		}
	}
	if (asked || further[costCenter] != "" || further[division] != "") && o.Member("employeeOrgData") {
		o.B = append(o.B, `{"costCenter":`...)
		o.B = append(wire.AppendText(o.B, further[costCenter]), `,"division":`...)
		o.B = append(wire.AppendText(o.B, further[division]), '}')
	}
	switch text := further[inAddressList]; {
	case text != "":
		o.Bool(inAddressList, text == "true")
	case asked:
		o.Null(inAddressList)
	}
	if asked {
		o.Texts("imAddresses", nil)
	}
}

var absentUserNames = absentUser()

func userType(u directory.User) string {
	if u.Type == "" {
		return "Member"
	}
	return u.Type
}

func userValue(u directory.User, path []string) any {
	switch strings.Join(path, "/") {
	case "userPrincipalName":
		return listing.TextValue(u.PrincipalName)
	case "mail":
		return listing.TextValue(u.Mail)
	case "mailNickname":
		return listing.TextValue(u.MailNickname)
	case "givenName":
		return listing.TextValue(u.GivenName)
	case "surname":
		return listing.TextValue(u.Surname)
	case "jobTitle":
		return listing.TextValue(u.JobTitle)
	case "department":
		return listing.TextValue(u.Department)
	case "officeLocation":
		return listing.TextValue(u.OfficeLocation)
	case "mobilePhone":
		return listing.TextValue(u.MobilePhone)
	case "preferredLanguage":
		return listing.TextValue(u.PreferredLanguage)
	case "userType":
		return userType(u)
	case "employeeId":
		return listing.TextValue(u.EmployeeID)
	}
	return nil
}

func usersKind(c *call) *kind[directory.Object] { return &c.user }

func getMe(c *call) (api.Answer, error) {
	o, err := c.objectByID(string(c.Caller.Principal))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.user, http.StatusOK, o)
}

// getManager answers with a user's manager; 404 for none.
func getManager(c *call) (api.Answer, error) {
	o, err := c.subject(directory.KindUser)
	if err != nil {
		return api.Answer{}, err
	}
	if o.User == nil || o.User.Manager == "" {
		return api.Answer{}, notFound("manager")
	}
	m, err := c.objectByID(string(o.User.Manager))
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.object, http.StatusOK, m)
}

// userIn is a user as callers make or change one (Graph: "Create user", "Update user").
type userIn struct {
	AccountEnabled    patched[bool]      `json:"accountEnabled"`
	DisplayName       patched[string]    `json:"displayName"`
	MailNickname      patched[string]    `json:"mailNickname"`
	UserPrincipalName patched[string]    `json:"userPrincipalName"`
	Mail              patched[string]    `json:"mail"`
	GivenName         patched[string]    `json:"givenName"`
	Surname           patched[string]    `json:"surname"`
	JobTitle          patched[string]    `json:"jobTitle"`
	Department        patched[string]    `json:"department"`
	OfficeLocation    patched[string]    `json:"officeLocation"`
	MobilePhone       patched[string]    `json:"mobilePhone"`
	BusinessPhones    patched[[]string]  `json:"businessPhones"`
	OtherMails        patched[[]string]  `json:"otherMails"`
	PreferredLanguage patched[string]    `json:"preferredLanguage"`
	EmployeeID        patched[string]    `json:"employeeId"`
	UserType          patched[string]    `json:"userType"`
	PasswordProfile   *passwordProfileIn `json:"passwordProfile"`
	EmployeeOrgData   patched[orgDataIn] `json:"employeeOrgData"`
	ShowInAddressList patched[bool]      `json:"showInAddressList"`
	further           map[string]*string
}

type passwordProfileIn struct {
	Password                      string `json:"password"`
	ForceChangePasswordNextSignIn *bool  `json:"forceChangePasswordNextSignIn"`
}

type orgDataIn struct {
	CostCenter *string `json:"costCenter"`
	Division   *string `json:"division"`
}

// furtherUser are properties that are kept as they come: nothing here looks at them.
func furtherUser() []string {
	return []string{"aboutMe", "ageGroup", "city", "companyName", "consentProvidedForMinor", "country", "employeeHireDate", "employeeType", "faxNumber",
		"onPremisesImmutableId", "passwordPolicies", "postalCode", "state", "streetAddress", "usageLocation"}
}

// The names under which the parts of what is no text are kept.
const costCenter, division, inAddressList = "employeeOrgData/costCenter", "employeeOrgData/division", "showInAddressList"

// readUser reads the body of a user.
func readUser(c *call) (userIn, error) {
	var in userIn
	if _, err := c.Query(c.user.Schema); err != nil {
		return in, err
	}
	body, err := c.Body()
	if err != nil {
		return in, err
	}
	if err := api.DecodeBytes(body, &in); err != nil {
		return in, err
	}
	more, err := further(body, furtherUserNames)
	if err != nil {
		return in, err
	}
	in.further = map[string]*string{}
	for name, raw := range more {
		var text *string
		if json.Unmarshal(raw, &text) != nil {
			return in, wire.BadBody("Property '" + name + "' has a value of the wrong type.")
		}
		in.further[name] = text
	}
	if in.PasswordProfile != nil && in.PasswordProfile.Password == "" {
		in.PasswordProfile = nil
	}
	return in, nil
}

var furtherUserNames = furtherUser()

// apply changes an account.
func (in userIn) apply(o *directory.Object) error {
	u := o.User
	in.AccountEnabled.to(&o.Enabled)
	for _, p := range []struct {
		in patched[string]
		to *string
	}{
		{in.DisplayName, &o.DisplayName}, {in.MailNickname, &u.MailNickname}, {in.UserPrincipalName, &u.PrincipalName}, {in.Mail, &u.Mail},
		{in.GivenName, &u.GivenName}, {in.Surname, &u.Surname}, {in.JobTitle, &u.JobTitle}, {in.Department, &u.Department},
		{in.OfficeLocation, &u.OfficeLocation}, {in.MobilePhone, &u.MobilePhone}, {in.PreferredLanguage, &u.PreferredLanguage},
		{in.EmployeeID, &u.EmployeeID}, {in.UserType, &u.Type},
	} {
		p.in.to(p.to)
	}
	in.BusinessPhones.to(&u.BusinessPhones)
	in.OtherMails.to(&u.OtherMails)
	in.applyFurther(u)
	return nil
}

func (in userIn) applyFurther(u *directory.User) {
	set := func(name string, text *string) {
		switch {
		case text == nil || *text == "":
			delete(u.Further, name)
		case u.Further == nil:
			u.Further = map[string]string{name: *text}
		default:
			u.Further[name] = *text
		}
	}
	for name, text := range in.further {
		set(name, text)
	}
	if in.EmployeeOrgData.sent {
		set(costCenter, in.EmployeeOrgData.value.CostCenter)
		set(division, in.EmployeeOrgData.value.Division)
	}
	if in.ShowInAddressList.sent {
		text := strconv.FormatBool(in.ShowInAddressList.value)
		set(inAddressList, &text)
	}
}

// password is the new password in the body, or nil.
func (in userIn) password() *app.NewPassword {
	p := in.PasswordProfile
	if p == nil {
		return nil
	}
	return &app.NewPassword{Password: p.Password, MustChange: p.ForceChangePasswordNextSignIn == nil || *p.ForceChangePasswordNextSignIn}
}

func createUser(c *call) (api.Answer, error) {
	in, err := readUser(c)
	if err != nil {
		return api.Answer{}, err
	}
	if !in.AccountEnabled.sent || in.DisplayName.value == "" || in.MailNickname.value == "" || in.UserPrincipalName.value == "" || in.PasswordProfile == nil {
		return api.Answer{}, badRequest("accountEnabled, displayName, mailNickname, userPrincipalName and passwordProfile are required.")
	}
	o := directory.Object{User: &directory.User{}}
	if err := in.apply(&o); err != nil {
		return api.Answer{}, err
	}
	p := in.password()
	o, err = c.editor.CreateUser(c.Context(), c.Caller, c.Tenant, app.NewUser{
		DisplayName: o.DisplayName, Enabled: o.Enabled, User: *o.User, Password: p.Password, MustChange: p.MustChange,
	})
	if err != nil {
		return api.Answer{}, writeProblem(err, "user")
	}
	return listing.One(c, &c.user, http.StatusCreated, o)
}

func updateUser(c *call) (api.Answer, error) {
	in, err := readUser(c)
	if err != nil {
		return api.Answer{}, err
	}
	o, err := c.objectOf(directory.KindUser)
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.editor.ResetUser(c.Context(), c.Caller, c.Tenant, o.ID, in.apply, in.password()); err != nil {
		return api.Answer{}, writeProblem(err, "user")
	}
	return noContent()
}

func deleteUser(c *call) (api.Answer, error) {
	o, err := c.objectOf(directory.KindUser)
	if err != nil {
		return api.Answer{}, err
	}
	if err := c.editor.DeleteUser(c.Context(), c.Caller, c.Tenant, o.ID); err != nil {
		return api.Answer{}, writeProblem(err, c.PathValue("id"))
	}
	return noContent()
}

// setManager names a user's manager (Graph: "Assign manager").
func setManager(c *call) (api.Answer, error) {
	manager, err := c.reference()
	if err != nil {
		return api.Answer{}, err
	}
	return c.manage(manager)
}

func removeManager(c *call) (api.Answer, error) { return c.manage("") }

func (c *call) manage(manager pim.PrincipalID) (api.Answer, error) {
	o, err := c.objectOf(directory.KindUser)
	if err != nil {
		return api.Answer{}, err
	}
	if manager == "" && o.User.Manager == "" {
		return api.Answer{}, notFound("manager")
	}
	_, err = c.editor.UpdateUser(c.Context(), c.Caller, c.Tenant, o.ID, func(o *directory.Object) error {
		o.User.Manager = manager
		return nil
	})
	if err != nil {
		return api.Answer{}, writeProblem(err, string(manager))
	}
	return noContent()
}
