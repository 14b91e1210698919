package graph

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/directory"
)

// Users: user (learn.microsoft.com/graph/api/resources/user).

// defaultUser is what v1.0 shows of a user unless more is selected (reference graph-pim §3.7).
func defaultUser() selection {
	return selection{"id": true, "businessPhones": true, "displayName": true, "givenName": true, "jobTitle": true, "mail": true,
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
	), plainProperties(absentUser()...)...)
}

// absentUser are declared properties of which nothing is known here: they are null.
func absentUser() []string {
	return []string{"companyName", "creationType", "employeeType", "externalUserState", "externalUserStateChangeDateTime", "identities",
		"isManagementRestricted", "onPremisesDistinguishedName", "onPremisesDomainName", "onPremisesImmutableId",
		"onPremisesSamAccountName", "onPremisesSecurityIdentifier", "onPremisesUserPrincipalName",
		"passwordPolicies", "securityIdentifier", "signInActivity", "signInSessionsValidFromDateTime", "usageLocation", "deletedDateTime"}
}

func writeUser(c *call, o *object, d directory.Object) {
	u := d.User
	if o.sel == nil && !c.beta {
		o.sel = c.userDefault
		defer func() { o.sel = nil }()
	}
	o.texts("businessPhones", u.BusinessPhones)
	o.text("displayName", d.DisplayName)
	o.text("givenName", u.GivenName)
	o.text("jobTitle", u.JobTitle)
	o.text("mail", u.Mail)
	o.text("mobilePhone", u.MobilePhone)
	o.text("officeLocation", u.OfficeLocation)
	o.text("preferredLanguage", u.PreferredLanguage)
	o.text("surname", u.Surname)
	o.text("userPrincipalName", u.PrincipalName)
	writeMoreOfUser(o, d)
}

func writeMoreOfUser(o *object, d directory.Object) {
	u := d.User
	o.bool("accountEnabled", d.Enabled)
	o.time("createdDateTime", d.Created)
	o.text("department", u.Department)
	o.text("employeeId", u.EmployeeID)
	o.text("mailNickname", u.MailNickname)
	o.null("onPremisesSyncEnabled")
	o.texts("otherMails", nil)
	o.texts("proxyAddresses", nil)
	o.text("userType", userType(*u))
	o.null(absentUserNames...)
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
		return textValue(u.PrincipalName)
	case "mail":
		return textValue(u.Mail)
	case "mailNickname":
		return textValue(u.MailNickname)
	case "givenName":
		return textValue(u.GivenName)
	case "surname":
		return textValue(u.Surname)
	case "jobTitle":
		return textValue(u.JobTitle)
	case "department":
		return textValue(u.Department)
	case "officeLocation":
		return textValue(u.OfficeLocation)
	case "mobilePhone":
		return textValue(u.MobilePhone)
	case "preferredLanguage":
		return textValue(u.PreferredLanguage)
	case "userType":
		return userType(u)
	case "employeeId":
		return textValue(u.EmployeeID)
	}
	return nil
}

func usersKind(c *call) *kind[directory.Object] { return &c.user }

func getMe(c *call) (api.Answer, error) {
	o, err := c.objectByID(string(c.Caller.Principal))
	if err != nil {
		return api.Answer{}, err
	}
	return one(c, &c.user, http.StatusOK, o)
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
	return one(c, &c.object, http.StatusOK, m)
}
