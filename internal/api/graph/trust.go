package graph

import (
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/app"
	"portcullis/internal/directory"
)

// Whose tokens prove an application besides its own: federatedIdentityCredential
// (learn.microsoft.com/graph/api/resources/federatedidentitycredential). They are found by id and by name.

func trustProperties() []odata.Property {
	return []odata.Property{
		idProperty("id"), textProperty("name"), textProperty("issuer"), textProperty("subject"), textProperty("description"),
		{Name: "audiences", Kind: odata.KindCollection, Element: odata.KindString},
	}
}

func trustKind() kind[directory.Trust] {
	return kind[directory.Trust]{
		Set: "applications/federatedIdentityCredentials", Type: "federatedIdentityCredential",
		Schema: &odata.Schema{Properties: trustProperties()},
		Write:  writeTrust, Value: trustValue, Key: func(t directory.Trust) string { return t.ID },
	}
}

func writeTrust(_ *call, o *object, t directory.Trust) {
	o.Str("id", t.ID)
	o.Str("name", t.Name)
	o.Str("issuer", t.Issuer)
	o.Str("subject", t.Subject)
	o.Text("description", t.Description)
	o.Texts("audiences", t.Audiences)
}

func trustValue(_ *call, t directory.Trust, path []string) any {
	switch path[0] {
	case "id":
		return t.ID
	case "name":
		return t.Name
	case "issuer":
		return t.Issuer
	case "subject":
		return t.Subject
	case "description":
		return listing.TextValue(t.Description)
	}
	return nil
}

// trustRoutes are those below an application.
func trustRoutes() []route {
	const set = "applications/{id}/federatedIdentityCredentials"
	read, write := applicationsRead(), applicationsWrite()
	return []route{
		get(set, read, listTrusts), get(set+"/{trust}", read, getTrust), post(set, write, createTrust),
		patch(set+"/{trust}", write, updateTrust), remove(set+"/{trust}", write, deleteTrust),
	}
}

func listTrusts(c *call) (api.Answer, error) {
	o, err := c.objectOf(directory.KindServicePrincipal)
	if err != nil {
		return api.Answer{}, err
	}
	k := trustKind()
	return listAll(c, &k, o.App.Trusts)
}

// trustAt finds the trust that the path names.
func (c *call) trustAt(p *directory.App) (int, error) {
	name := c.PathValue("trust")
	at := slices.IndexFunc(p.Trusts, func(t directory.Trust) bool { return strings.EqualFold(t.ID, name) || t.Name == name })
	if at < 0 {
		return at, notFound(name)
	}
	return at, nil
}

func getTrust(c *call) (api.Answer, error) {
	o, err := c.objectOf(directory.KindServicePrincipal)
	if err != nil {
		return api.Answer{}, err
	}
	at, err := c.trustAt(o.App)
	if err != nil {
		return api.Answer{}, err
	}
	k := trustKind()
	return listing.One(c, &k, http.StatusOK, o.App.Trusts[at])
}

// trustIn is a body that makes or changes a trust.
type trustIn struct {
	Name        patched[string]   `json:"name"`
	Issuer      patched[string]   `json:"issuer"`
	Subject     patched[string]   `json:"subject"`
	Description patched[string]   `json:"description"`
	Audiences   patched[[]string] `json:"audiences"`
}

func (in trustIn) apply(t *directory.Trust) {
	in.Issuer.to(&t.Issuer)
	in.Subject.to(&t.Subject)
	in.Description.to(&t.Description)
	in.Audiences.to(&t.Audiences)
}

// editTrusts changes the trusts of the application that the path names.
func (c *call) editTrusts(edit func(*directory.App) error) (directory.Object, error) {
	o, err := c.objectOf(directory.KindServicePrincipal)
	if err != nil {
		return o, err
	}
	o, err = c.editor.UpdateApplication(c.Context(), c.Caller, c.Tenant, o.ID,
		func(o *directory.Object) error { return edit(o.App) }, app.MembershipChange{})
	if err != nil {
		return o, writeProblem(err, "federatedIdentityCredential")
	}
	return o, nil
}

func createTrust(c *call) (api.Answer, error) {
	var in trustIn
	k := trustKind()
	if err := listing.Decode(c, &k, &in); err != nil {
		return api.Answer{}, err
	}
	o, err := c.editTrusts(func(p *directory.App) error {
		t := directory.Trust{Name: in.Name.value}
		in.apply(&t)
		p.Trusts = append(p.Trusts, t)
		return nil
	})
	if err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &k, http.StatusCreated, o.App.Trusts[len(o.App.Trusts)-1])
}

func updateTrust(c *call) (api.Answer, error) {
	var in trustIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	_, err := c.editTrusts(func(p *directory.App) error {
		at, err := c.trustAt(p)
		if err != nil {
			return err
		}
		if in.Name.sent && in.Name.value != p.Trusts[at].Name {
			return badRequest("The name of a federatedIdentityCredential does not change.")
		}
		in.apply(&p.Trusts[at])
		return nil
	})
	if err != nil {
		return api.Answer{}, err
	}
	return noContent()
}

func deleteTrust(c *call) (api.Answer, error) {
	_, err := c.editTrusts(func(p *directory.App) error {
		at, err := c.trustAt(p)
		if err != nil {
			return err
		}
		p.Trusts = slices.Delete(p.Trusts, at, at+1)
		return nil
	})
	if err != nil {
		return api.Answer{}, err
	}
	return noContent()
}
