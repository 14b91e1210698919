package migrate

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"portcullis/internal/api/governance"
	"portcullis/internal/api/wire"
	"portcullis/internal/client"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// Known finds what ids of the second iteration stand for. The zero value knows what an id tells by itself.
type Known struct {
	// Server is one that gave the ids, and is asked for them; nil: none is.
	Server Server
	// Scopes are paths of Azure Resource Manager. A Portcullis makes its ids of these, so that they are found without asking.
	Scopes []string
}

// AskError says that the server which gave an id did not tell what it stands for.
type AskError struct {
	Server, Path string
	Err          error
}

func (e *AskError) Error() string {
	return "ask " + e.Server + " what " + e.Path + " is: " + e.Err.Error()
}

func (e *AskError) Unwrap() error { return e.Err }

// scope is the scope of the third iteration: "/" for the directory, a group's id, or a path; empty: not known.
func (k *Known) scope(ctx context.Context, p pim.Provider, id string) (string, error) {
	switch {
	case p == pim.Directory:
		return "/", nil
	case p == pim.Group || id == "":
		return id, nil
	}
	for _, s := range k.Scopes {
		path := "/" + strings.Trim(s, "/")
		if strings.EqualFold(resource.GovernanceID(pim.Scope(strings.ToLower(path))), id) {
			return path, nil
		}
	}
	var out struct {
		ExternalID string `json:"externalId"`
	}
	_, err := k.ask(ctx, p, "/resources/"+url.PathEscape(id), &out)
	return out.ExternalID, err
}

// role is the role of the third iteration: a template's id, member or owner, or the full id in Azure Resource Manager; empty: not
// known.
func (k *Known) role(ctx context.Context, p pim.Provider, resource, id string) (string, error) {
	switch {
	case p == pim.Directory || id == "":
		return id, nil
	case p == pim.Group:
		for _, side := range []pim.RoleID{pim.Member, pim.Owner} {
			if strings.EqualFold(id, string(side)) || strings.EqualFold(id, governance.RoleDefinitionID(pim.RoleKey{Provider: p, Scope: pim.Scope(strings.ToLower(resource)), Role: side})) {
				return string(side), nil
			}
		}
	case strings.HasPrefix(id, "/"):
		return id, nil
	}
	if resource == "" {
		return "", nil
	}
	var out struct {
		ExternalID  string `json:"externalId"`
		DisplayName string `json:"displayName"`
	}
	ok, err := k.ask(ctx, p, "/resources/"+url.PathEscape(resource)+"/roleDefinitions/"+url.PathEscape(id), &out)
	if err != nil || !ok {
		return "", err
	}
	if p == pim.Group {
		return strings.ToLower(out.DisplayName), nil
	}
	return out.ExternalID, nil
}

// request is what the server tells of a request.
func (k *Known) request(ctx context.Context, p pim.Provider, id string) (oldRequest, bool, error) {
	var r oldRequest
	ok, err := k.ask(ctx, p, "/roleAssignmentRequests/"+url.PathEscape(id), &r)
	return r, ok, err
}

// setting is of which resource and role settings with that id are; empty: not known.
func (k *Known) setting(ctx context.Context, p pim.Provider, id string) (resource, role string, err error) {
	if resource, role, ok := strings.Cut(id, "_"); ok && p != pim.Directory {
		return resource, role, nil
	}
	var out struct {
		ResourceID       string `json:"resourceId"`
		RoleDefinitionID string `json:"roleDefinitionId"`
	}
	_, err = k.ask(ctx, p, "/roleSettings/"+url.PathEscape(id), &out)
	return out.ResourceID, out.RoleDefinitionID, err
}

// ask asks the server, if there is one and the id is one; false: it tells nothing.
func (k *Known) ask(ctx context.Context, p pim.Provider, path string, out any) (bool, error) {
	id := path[strings.LastIndexByte(path, '/')+1:]
	if k.Server == nil || !wire.IsGUID(id) {
		return false, nil
	}
	err := k.Server.Call(ctx, http.MethodGet, "/beta/privilegedAccess/"+governance.Provider(p)+path, nil, out)
	if e, ok := errors.AsType[*client.Error](err); ok && (e.Status == http.StatusNotFound || e.Status == http.StatusBadRequest) {
		return false, nil
	}
	if err != nil {
		return false, &AskError{k.Server.Origin(), path, err}
	}
	return true, nil
}
