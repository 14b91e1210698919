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
		{"external_id", text},
	}}
}

// binTable keeps what is deleted and may be restored, so that no question about what is there has to leave it out.
func binTable() table {
	return table{name: "bin", key: 2, columns: append(objectsTable().columns, column{"deleted", number})}
}

func binRow(o directory.Object) ([]any, error) {
	row, err := objectRow(o)
	return append(row, stamp(o.Deleted)), err
}

func scanBin(s scan, before ...any) (directory.Object, error) {
	var deleted int64
	o, err := scanObject(func(cells ...any) error { return s(append(cells, &deleted)...) }, before...)
	o.Deleted = instant(deleted)
	return o, err
}

// storedObject is an object but for the columns that keep it as it came.
type storedObject struct {
	DisplayName string       `json:"name,omitempty"`
	Description string       `json:"text,omitempty"`
	User        *storedUser  `json:"user,omitempty"`
	Group       *storedGroup `json:"group,omitempty"`
	App         *storedApp   `json:"app,omitempty"`
	Role        *storedRole  `json:"role,omitempty"`
	Unit        *storedUnit  `json:"unit,omitempty"`
	Modified    *int64       `json:"mod,omitempty"`
	ExternalID  string       `json:"ext,omitempty"`

	ResourceRole *storedResourceRole `json:"rrole,omitempty"`
}

type storedUser struct {
	PrincipalName     string            `json:"upn,omitempty"`
	Mail              string            `json:"mail,omitempty"`
	MailNickname      string            `json:"nick,omitempty"`
	GivenName         string            `json:"given,omitempty"`
	Surname           string            `json:"sur,omitempty"`
	JobTitle          string            `json:"job,omitempty"`
	Department        string            `json:"dep,omitempty"`
	OfficeLocation    string            `json:"office,omitempty"`
	MobilePhone       string            `json:"mobile,omitempty"`
	BusinessPhones    []string          `json:"phones,omitempty"`
	PreferredLanguage string            `json:"lang,omitempty"`
	Type              string            `json:"type,omitempty"`
	EmployeeID        string            `json:"person,omitempty"`
	Manager           string            `json:"boss,omitempty"`
	OtherMails        []string          `json:"mails,omitempty"`
	Further           map[string]string `json:"more,omitempty"`
}

type storedGroup struct {
	MailNickname    string   `json:"nick,omitempty"`
	SecurityEnabled bool     `json:"sec,omitempty"`
	MailEnabled     bool     `json:"mail,omitempty"`
	Types           []string `json:"types,omitempty"`
	Visibility      string   `json:"vis,omitempty"`
	RoleAssignable  bool     `json:"roles,omitempty"`
	Registered      *int64   `json:"reg,omitempty"`
}

type storedApp struct {
	ClientID          string   `json:"id,omitempty"`
	Public            bool     `json:"pub,omitempty"`
	Redirects         []string `json:"to,omitempty"`
	LoopbackRedirects bool     `json:"loop,omitempty"`
	Permissions       []string `json:"may,omitempty"`

	Keys   []storedKey   `json:"keys,omitempty"`
	Trusts []storedTrust `json:"trusts,omitempty"`
}

type storedKey struct {
	ID          string `json:"id,omitempty"`
	Name        string `json:"name,omitempty"`
	Certificate []byte `json:"cert,omitempty"`
	Starts      *int64 `json:"from,omitempty"`
	Ends        *int64 `json:"to,omitempty"`
}

type storedTrust struct {
	ID          string   `json:"id,omitempty"`
	Name        string   `json:"name,omitempty"`
	Description string   `json:"text,omitempty"`
	Issuer      string   `json:"iss,omitempty"`
	Subject     string   `json:"sub,omitempty"`
	Audiences   []string `json:"aud,omitempty"`
}

type storedUnit struct {
	Visibility string `json:"vis,omitempty"`
}

type storedRole struct {
	TemplateID string   `json:"tid,omitempty"`
	Version    string   `json:"v,omitempty"`
	Enabled    bool     `json:"on,omitempty"`
	Actions    []string `json:"may,omitempty"`
	Condition  string   `json:"if,omitempty"`
	Blocks     []int    `json:"cut,omitempty"`
}

// storedResourceRole is a custom role of resources.
type storedResourceRole struct {
	Assignable  []string           `json:"at,omitempty"`
	Permissions []storedPermission `json:"what,omitempty"`
	CreatedBy   string             `json:"newBy,omitempty"`
	UpdatedBy   string             `json:"modBy,omitempty"`
	Updated     *int64             `json:"mod,omitempty"`
}

func objectRow(o directory.Object) ([]any, error) {
	f := storedObject{DisplayName: o.DisplayName, Description: o.Description, Modified: optionalStamp(o.Modified), ExternalID: o.ExternalID}
	var principalName, mail, nickname, client string
	if u := o.User; u != nil {
		principalName, mail, nickname = u.PrincipalName, u.Mail, u.MailNickname
		f.User = &storedUser{
			u.PrincipalName, u.Mail, u.MailNickname, u.GivenName, u.Surname, u.JobTitle, u.Department, u.OfficeLocation,
			u.MobilePhone, u.BusinessPhones, u.PreferredLanguage, u.Type, u.EmployeeID, string(u.Manager),
			u.OtherMails, u.Further,
		}
	}
	if g := o.Group; g != nil {
		nickname = g.MailNickname
		f.Group = &storedGroup{g.MailNickname, g.SecurityEnabled, g.MailEnabled, g.Types, g.Visibility, g.RoleAssignable, optionalStamp(g.Registered)}
	}
	if a := o.App; a != nil {
		client = a.ClientID
		f.App = storedAppOf(*a)
	}
	if u := o.Unit; u != nil {
		f.Unit = &storedUnit{u.Visibility}
	}
	if r := o.Role; r != nil {
		f.Role = &storedRole{r.TemplateID, r.Version, r.Enabled, r.Actions, r.Condition, r.Blocks}
	}
	if r := o.ResourceRole; r != nil {
		f.ResourceRole = &storedResourceRole{r.Assignable, fromPermissions(r.Permissions), r.CreatedBy, r.UpdatedBy, optionalStamp(r.Updated)}
	}
	d, err := doc(f)
	return []any{
		string(o.Tenant), plain(string(o.ID)), int64(o.Kind), fold(o.DisplayName), o.Enabled, stamp(o.Created),
		fold(principalName), fold(mail), fold(nickname), plain(client), d,
		plain(o.ExternalID),
	}, err
}

func storedAppOf(a directory.App) *storedApp {
	stored := &storedApp{
		ClientID: a.ClientID, Public: a.Public, Redirects: a.Redirects, LoopbackRedirects: a.LoopbackRedirects,
		Permissions: a.Permissions,
	}
	for _, k := range a.Keys {
		stored.Keys = append(stored.Keys, storedKey{k.ID, k.Name, k.Certificate, optionalStamp(k.Starts), optionalStamp(k.Ends)})
	}
	for _, t := range a.Trusts {
		stored.Trusts = append(stored.Trusts, storedTrust(t))
	}
	return stored
}

func (a storedApp) facet() *directory.App {
	app := &directory.App{
		ClientID: a.ClientID, Public: a.Public, Redirects: a.Redirects, LoopbackRedirects: a.LoopbackRedirects,
		Permissions: a.Permissions,
	}
	for _, k := range a.Keys {
		app.Keys = append(app.Keys, directory.AppKey{
			ID: k.ID, Name: k.Name, Certificate: k.Certificate, Starts: optionalInstant(k.Starts), Ends: optionalInstant(k.Ends),
		})
	}
	for _, t := range a.Trusts {
		app.Trusts = append(app.Trusts, directory.Trust(t))
	}
	return app
}

func scanObject(s scan, before ...any) (directory.Object, error) {
	var tenant, id, name, upn, mail, nick, client, d, external string
	var kind, created int64
	var enabled bool
	err := s(append(before, &tenant, &id, &kind, &name, &enabled, &created, &upn, &mail, &nick, &client, &d, &external)...)
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
		Modified: optionalInstant(f.Modified), ExternalID: f.ExternalID,
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
			OtherMails: u.OtherMails, Further: u.Further,
		}
	}
	if g := f.Group; g != nil {
		o.Group = &directory.Group{
			MailNickname: g.MailNickname, SecurityEnabled: g.SecurityEnabled, MailEnabled: g.MailEnabled, Types: g.Types,
			Visibility: g.Visibility, RoleAssignable: g.RoleAssignable, Registered: optionalInstant(g.Registered),
		}
	}
	if a := f.App; a != nil {
		o.App = a.facet()
	}
	if u := f.Unit; u != nil {
		o.Unit = &directory.Unit{Visibility: u.Visibility}
	}
	if r := f.Role; r != nil {
		o.Role = &directory.Role{
			TemplateID: r.TemplateID, Version: r.Version, Enabled: r.Enabled, Actions: r.Actions, Condition: r.Condition,
			Blocks: r.Blocks,
		}
	}
	if r := f.ResourceRole; r != nil {
		o.ResourceRole = &directory.ResourceRole{
			Assignable: r.Assignable, Permissions: permissions(r.Permissions), CreatedBy: r.CreatedBy, UpdatedBy: r.UpdatedBy,
			Updated: optionalInstant(r.Updated),
		}
	}
}
