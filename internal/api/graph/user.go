package graph

import (
	"errors"
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
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

// userIn is a user as callers make one (Graph: "Create user").
type userIn struct {
	AccountEnabled    *bool    `json:"accountEnabled"`
	DisplayName       string   `json:"displayName"`
	MailNickname      string   `json:"mailNickname"`
	UserPrincipalName string   `json:"userPrincipalName"`
	Mail              string   `json:"mail"`
	GivenName         string   `json:"givenName"`
	Surname           string   `json:"surname"`
	JobTitle          string   `json:"jobTitle"`
	Department        string   `json:"department"`
	OfficeLocation    string   `json:"officeLocation"`
	MobilePhone       string   `json:"mobilePhone"`
	BusinessPhones    []string `json:"businessPhones"`
	PreferredLanguage string   `json:"preferredLanguage"`
	EmployeeID        string   `json:"employeeId"`
	PasswordProfile   struct {
		Password                      string `json:"password"`
		ForceChangePasswordNextSignIn *bool  `json:"forceChangePasswordNextSignIn"`
	} `json:"passwordProfile"`
}

func createUser(c *call) (api.Answer, error) {
	var in userIn
	if err := decode(c, &c.user, &in); err != nil {
		return api.Answer{}, err
	}
	if in.AccountEnabled == nil || in.DisplayName == "" || in.MailNickname == "" || in.UserPrincipalName == "" || in.PasswordProfile.Password == "" {
		return api.Answer{}, badRequest("accountEnabled, displayName, mailNickname, userPrincipalName and passwordProfile are required.")
	}
	change := in.PasswordProfile.ForceChangePasswordNextSignIn
	o, err := c.editor.CreateUser(c.Context(), c.Caller, c.Tenant, app.NewUser{
		DisplayName: in.DisplayName, Enabled: *in.AccountEnabled,
		Password: in.PasswordProfile.Password, MustChange: change == nil || *change,
		User: directory.User{
			PrincipalName: in.UserPrincipalName, Mail: in.Mail, MailNickname: in.MailNickname, GivenName: in.GivenName,
			Surname: in.Surname, JobTitle: in.JobTitle, Department: in.Department, OfficeLocation: in.OfficeLocation,
			MobilePhone: in.MobilePhone, BusinessPhones: in.BusinessPhones, PreferredLanguage: in.PreferredLanguage,
			EmployeeID: in.EmployeeID,
		},
	})
	if r, ok := errors.AsType[*pim.Refusal](err); ok && r.Code != pim.Forbidden {
		message := "The user cannot be made so: " + sentence(r.Field, r.Detail) + "."
		if r.Code == pim.AlreadyThere {
			message = "Another object with the same value for property userPrincipalName already exists."
		}
		err = &problem{Status: http.StatusBadRequest, Code: "Request_BadRequest", Message: message}
	}
	if err != nil {
		return api.Answer{}, err
	}
	return one(c, &c.user, http.StatusCreated, o)
}
