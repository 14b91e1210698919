package sqlstore

import (
	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

func objectsTable() table {
	return table{name: "objects", key: 2, columns: []column{
		{"tenant", text},
		{"id", text},
		{"kind", number},
		{"display_name", text},
		{"enabled", truth},
		{"created", number},
		{"principal_name", text},
		{"mail", text},
		{"mail_nickname", text},
		{"client_id", text},
		{"doc", text},
	}}
}

// storedObject is an object but for the columns that keep it as it came.
type storedObject struct {
	DisplayName string       `json:"name,omitempty"`
	Description string       `json:"text,omitempty"`
	User        *storedUser  `json:"user,omitempty"`
	Group       *storedGroup `json:"group,omitempty"`
	App         *storedApp   `json:"app,omitempty"`
	Role        *storedRole  `json:"role,omitempty"`
}

type storedUser struct {
	PrincipalName     string   `json:"upn,omitempty"`
	Mail              string   `json:"mail,omitempty"`
	MailNickname      string   `json:"nick,omitempty"`
	GivenName         string   `json:"given,omitempty"`
	Surname           string   `json:"sur,omitempty"`
	JobTitle          string   `json:"job,omitempty"`
	Department        string   `json:"dep,omitempty"`
	OfficeLocation    string   `json:"office,omitempty"`
	MobilePhone       string   `json:"mobile,omitempty"`
	BusinessPhones    []string `json:"phones,omitempty"`
	PreferredLanguage string   `json:"lang,omitempty"`
	Type              string   `json:"type,omitempty"`
	EmployeeID        string   `json:"person,omitempty"`
	Manager           string   `json:"boss,omitempty"`
}

type storedGroup struct {
	MailNickname    string   `json:"nick,omitempty"`
	SecurityEnabled bool     `json:"sec,omitempty"`
	MailEnabled     bool     `json:"mail,omitempty"`
	Types           []string `json:"types,omitempty"`
	Visibility      string   `json:"vis,omitempty"`
	RoleAssignable  bool     `json:"roles,omitempty"`
}

type storedApp struct {
	ClientID          string   `json:"id,omitempty"`
	Public            bool     `json:"pub,omitempty"`
	Redirects         []string `json:"to,omitempty"`
	LoopbackRedirects bool     `json:"loop,omitempty"`
	Permissions       []string `json:"may,omitempty"`
}

type storedRole struct {
	TemplateID string   `json:"tid,omitempty"`
	Version    string   `json:"v,omitempty"`
	Enabled    bool     `json:"on,omitempty"`
	Actions    []string `json:"may,omitempty"`
	Condition  string   `json:"if,omitempty"`
}

func objectRow(o directory.Object) ([]any, error) {
	f := storedObject{DisplayName: o.DisplayName, Description: o.Description}
	var principalName, mail, nickname, client string
	if u := o.User; u != nil {
		principalName, mail, nickname = u.PrincipalName, u.Mail, u.MailNickname
		f.User = &storedUser{
			u.PrincipalName, u.Mail, u.MailNickname, u.GivenName, u.Surname, u.JobTitle, u.Department, u.OfficeLocation,
			u.MobilePhone, u.BusinessPhones, u.PreferredLanguage, u.Type, u.EmployeeID, string(u.Manager),
		}
	}
	if g := o.Group; g != nil {
		nickname = g.MailNickname
		f.Group = &storedGroup{g.MailNickname, g.SecurityEnabled, g.MailEnabled, g.Types, g.Visibility, g.RoleAssignable}
	}
	if a := o.App; a != nil {
		client = a.ClientID
		f.App = &storedApp{a.ClientID, a.Public, a.Redirects, a.LoopbackRedirects, a.Permissions}
	}
	if r := o.Role; r != nil {
		f.Role = &storedRole{r.TemplateID, r.Version, r.Enabled, r.Actions, r.Condition}
	}
	d, err := doc(f)
	return []any{
		string(o.Tenant), plain(string(o.ID)), int64(o.Kind), fold(o.DisplayName), o.Enabled, stamp(o.Created),
		fold(principalName), fold(mail), fold(nickname), plain(client), d,
	}, err
}

func scanObject(s scan, before ...any) (directory.Object, error) {
	var tenant, id, name, upn, mail, nick, client, d string
	var kind, created int64
	var enabled bool
	err := s(append(before, &tenant, &id, &kind, &name, &enabled, &created, &upn, &mail, &nick, &client, &d)...)
	if err != nil {
		return directory.Object{}, err
	}
	var f storedObject
	if err := undoc(d, &f); err != nil {
		return directory.Object{}, err
	}
	o := directory.Object{
		Tenant: pim.TenantID(tenant), ID: pim.PrincipalID(id), Kind: directory.Kind(kind), DisplayName: f.DisplayName,
		Description: f.Description, Enabled: enabled, Created: instant(created),
	}
	f.facets(&o)
	return o, nil
}

func (f storedObject) facets(o *directory.Object) {
	if u := f.User; u != nil {
		o.User = &directory.User{
			PrincipalName: u.PrincipalName, Mail: u.Mail, MailNickname: u.MailNickname, GivenName: u.GivenName,
			Surname: u.Surname, JobTitle: u.JobTitle, Department: u.Department, OfficeLocation: u.OfficeLocation,
			MobilePhone: u.MobilePhone, BusinessPhones: u.BusinessPhones, PreferredLanguage: u.PreferredLanguage,
			Type: u.Type, EmployeeID: u.EmployeeID, Manager: pim.PrincipalID(u.Manager),
		}
	}
	if g := f.Group; g != nil {
		o.Group = &directory.Group{
			MailNickname: g.MailNickname, SecurityEnabled: g.SecurityEnabled, MailEnabled: g.MailEnabled, Types: g.Types,
			Visibility: g.Visibility, RoleAssignable: g.RoleAssignable,
		}
	}
	if a := f.App; a != nil {
		o.App = &directory.App{
			ClientID: a.ClientID, Public: a.Public, Redirects: a.Redirects, LoopbackRedirects: a.LoopbackRedirects,
			Permissions: a.Permissions,
		}
	}
	if r := f.Role; r != nil {
		o.Role = &directory.Role{
			TemplateID: r.TemplateID, Version: r.Version, Enabled: r.Enabled, Actions: r.Actions, Condition: r.Condition,
		}
	}
}
