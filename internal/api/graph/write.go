package graph

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// What writing to the directory has in common: members of a body that may be absent, null or there, references to other
// objects, and how a refusal is told.

// patched is a member of a body: absent members keep what is there, null clears it.
type patched[T any] struct {
	sent  bool
	value T
}

// UnmarshalJSON is called for null too.
func (p *patched[T]) UnmarshalJSON(b []byte) error {
	p.sent = true
	var v *T
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if v != nil {
		p.value = *v
	}
	return nil
}

// to writes the member to where it belongs, if it was sent.
func (p patched[T]) to(where *T) {
	if p.sent {
		*where = p.value
	}
}

// bindings is a list of references to other objects: their addresses, whatever the host (OData JSON Format 4.01 §8.5).
type bindings []pim.PrincipalID

// UnmarshalJSON reads addresses, and takes one for a list of one.
func (b *bindings) UnmarshalJSON(text []byte) error {
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		var one string
		if json.Unmarshal(text, &one) != nil {
			return wire.BadBody("A binding is not a list of addresses.")
		}
		list = []string{one}
	}
	for _, address := range list {
		id, ok := referredTo(address)
		if !ok {
			return wire.BadBody("A binding is not the address of a directory object.")
		}
		*b = append(*b, id)
	}
	return nil
}

// maxBindings is how many references one body may have (reference client-requirements §5).
const maxBindings = 20

// referenceIn is the body of a $ref.
type referenceIn struct {
	ID string `json:"@odata.id"`
}

// reference reads the body of a $ref.
func (c *call) reference() (pim.PrincipalID, error) {
	var in referenceIn
	if err := api.Decode(c.Request, &in); err != nil {
		return "", err
	}
	id, ok := referredTo(in.ID)
	if !ok {
		return "", badRequest("@odata.id must be the address of a directory object, such as %s/directoryObjects/{id}.", c.Base())
	}
	return id, nil
}

// referredTo is the id in an address of a directory object: …/directoryObjects/{id}, …/users('{id}').
func referredTo(address string) (pim.PrincipalID, bool) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return "", false
	}
	path := strings.NewReplacer("('", "/", "')", "", "(", "/", ")", "").Replace(strings.TrimRight(u.Path, "/"))
	parts := strings.Split(path, "/")
	if len(parts) < 2 {
		return "", false
	}
	set, id := parts[len(parts)-2], parts[len(parts)-1]
	if wire.IndexFold([]string{"directoryObjects", "users", "groups", "servicePrincipals", "administrativeUnits", "applications"}, set) < 0 {
		return "", false
	}
	return pim.PrincipalID(strings.ToLower(id)), wire.IsGUID(id)
}

// demand refuses a token that has none of these permissions, where what is demanded depends on what is there.
func (c *call) demand(permissions ...string) error {
	if c.Token.Permits(permissions...) {
		return nil
	}
	return &api.Fault{Problem: api.MissingPermission, Needs: permissions,
		Detail: "Authorization failed due to missing permission scope " + strings.Join(permissions, ",") + "."}
}

// writeProblem tells a refusal of a change as plain directory calls do. what names the object or the property concerned.
func writeProblem(err error, what string) error {
	r, ok := errors.AsType[*pim.Refusal](err)
	if !ok {
		return err
	}
	bad := func(message string) error {
		return &problem{Status: http.StatusBadRequest, Code: "Request_BadRequest", Message: message}
	}
	switch r.Code { //nolint:exhaustive // the others are told as everywhere
	case pim.InvalidRequest:
		return bad("Invalid value specified for property '" + r.Field + "' of resource '" + what + "': " + r.Detail + ".")
	case pim.UnknownPrincipal:
		return notFound(what)
	case pim.AlreadyThere:
		if r.Field == "" || r.Field == "members" || r.Field == "owners" {
			return bad("One or more added object references already exist for the following modified properties: '" + what + "'.")
		}
		return bad("Another object with the same value for property " + r.Field + " already exists.")
	case pim.NotThere:
		return notFound(what)
	case pim.Unsuitable, pim.InvalidScope:
		return bad(sentence("", r.Detail) + ".")
	}
	return err
}

// further are those members of a body that are among the names, without letter case.
func further(body []byte, names []string) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := api.DecodeBytes(body, &all); err != nil {
		return nil, err
	}
	out := map[string]json.RawMessage{}
	for name, raw := range all {
		if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
			out[names[i]] = raw
		}
	}
	return out, nil
}
