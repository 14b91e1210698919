package idp

import (
	"slices"
	"strings"

	"portcullis/internal/auth"
)

const (
	defaultScope = ".default"
	scopeOpenID  = "openid"
	scopeOffline = "offline_access"
)

func publicResources() []string {
	return append(auth.ManagementAudiences(), auth.GraphAudience, auth.PIMAudience, auth.DoorAudience)
}

// wish is what a list of scopes asks for.
type wish struct {
	// resource is the audience of the access token.
	resource string
	// all says that every permission of the application is asked for; else names are the ones asked for.
	all   bool
	names []string
	// asked are the scopes as they came, by the permission they name.
	asked []string
	// openID and offline ask for an ID token and a refresh token.
	openID, offline bool
	oidc            []string
	// foreign is the first resource that is none of this server's.
	foreign string
}

// readScopes reads a list of scopes. What is unknown is passed over, and the first resource that is known counts.
func (p *Provider) readScopes(scopes []string) wish {
	var w wish
	for _, s := range scopes {
		switch s {
		case "":
		case scopeOpenID, "profile", "email", "address", "phone", scopeOffline:
			w.openID = w.openID || s == scopeOpenID
			w.offline = w.offline || s == scopeOffline
			w.oidc = append(w.oidc, s)
		default:
			w.add(p, s)
		}
	}
	if w.resource == "" && w.foreign == "" {
		w.resource = p.origin
	}
	return w
}

func (w *wish) add(p *Provider, scope string) {
	resource, name := splitScope(scope)
	switch {
	case resource == "":
		resource = auth.GraphAudience
	case p.resource(resource) == "":
		if w.foreign == "" {
			w.foreign = resource
		}
		return
	default:
		resource = p.resource(resource)
	}
	if w.resource != "" && w.resource != resource {
		return
	}
	w.resource = resource
	w.all = w.all || name == defaultScope
	w.names = append(w.names, name)
	w.asked = append(w.asked, scope)
}

// splitScope cuts a scope into resource and name; one without an address is a name alone.
func splitScope(scope string) (resource, name string) {
	i := strings.LastIndexByte(scope, '/')
	if i < 0 {
		return "", scope
	}
	return strings.TrimRight(scope[:i], "/"), scope[i+1:]
}

// resource returns how a resource of this server is spelt in aud; empty: it is another's.
func (p *Provider) resource(name string) string {
	lower := strings.ToLower(strings.TrimRight(name, "/"))
	switch lower {
	case auth.GraphApplication:
		return auth.GraphAudience
	case auth.PIMApplication:
		return auth.PIMAudience
	}
	if lower == p.origin || slices.Contains(publicResources(), lower) {
		return lower
	}
	if host, ok := strings.CutPrefix(lower, "https://"); ok && p.aliases[host] {
		return lower
	}
	return ""
}

// impersonates says whether the resource knows one permission alone, that to act for the person: Azure Resource Manager and
// PIM's own host.
func (w wish) impersonates() bool {
	return w.resource == auth.PIMAudience || slices.Contains(auth.ManagementAudiences(), w.resource)
}

// audience is what an application's own token with these permissions is made out to: what it asks for, but for a door nothing
// that is more than asking.
func (w wish) audience(permissions []string) string {
	if slices.Equal(permissions, []string{auth.EvaluationPermission}) {
		return auth.DoorAudience
	}
	return w.resource
}

// within are those of an application's permissions that the resource knows.
func (w wish) within(permissions []string) []string {
	if w.resource == auth.DoorAudience {
		return slices.DeleteFunc(slices.Clone(permissions), func(name string) bool { return name != auth.EvaluationPermission })
	}
	if !w.impersonates() && w.resource != auth.GraphAudience {
		return permissions
	}
	return slices.DeleteFunc(slices.Clone(permissions), func(name string) bool {
		return (name == auth.UserImpersonation) != w.impersonates()
	})
}

// grants returns which of an application's permissions a person's token carries, and the scopes to tell the client:
// the ones it asked for and got, spelt as it asked.
func (w wish) grants(permissions []string) (scp, told []string) {
	permissions = w.within(permissions)
	told = append(told, w.oidc...)
	for i, name := range w.names {
		if name == defaultScope {
			told = append(told, w.asked[i])
			continue
		}
		at := slices.IndexFunc(permissions, func(p string) bool { return strings.EqualFold(p, name) })
		if at < 0 {
			continue
		}
		told = append(told, w.asked[i])
		if !slices.Contains(scp, permissions[at]) {
			scp = append(scp, permissions[at])
		}
	}
	if !w.all {
		return scp, told
	}
	for _, name := range permissions {
		told = append(told, w.resource+"/"+name)
	}
	return permissions, told
}
