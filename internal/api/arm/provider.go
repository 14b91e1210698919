package arm

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/catalog"
)

// Resource providers (reference arm-pim §14). Every namespace is registered: resources of any type can be made.

func (s *Surface) providerRoutes() []route {
	const at = "/subscriptions/{subscription}/providers"
	return []route{
		{get, at, listProviders},
		{get, at + "/{namespace}", getProvider},
		{post, at + "/{namespace}/register", getProvider},
		{post, at + "/{namespace}/unregister", getProvider},
		{get, "/providers", listProviders},
		{get, "/providers/{namespace}", getProvider},
	}
}

// ownNamespaces are those of the calls that are served, beside those that built-in roles name.
func ownNamespaces() []string {
	return []string{"Microsoft.Management", "Microsoft.Resources", "Microsoft.Subscription", "Microsoft.ResourceGraph"}
}

// servedVersions are those that the types of all providers are told to have. Any other dated one is taken, too.
func servedVersions() []string {
	return []string{"2024-04-01", "2022-12-01", "2022-04-01", "2021-04-01", "2020-10-01"}
}

// fromProvider writes a provider. where is the id of the subscription, or empty.
func fromProvider(b []byte, where, namespace string, types []catalog.AzureType) []byte {
	o := wire.New(b, nil)
	o.Str("id", where+"/providers/"+namespace)
	o.Str("namespace", namespace)
	o.Str("registrationState", "Registered")
	o.Str("registrationPolicy", "RegistrationFree")
	rows := make([][]byte, len(types))
	for i, t := range types {
		r := wire.New(nil, nil)
		r.Str("resourceType", t.Name)
		r.Texts("locations", []string{elsewhere})
		r.Texts("apiVersions", servedVersions())
		r.Str("capabilities", "None")
		rows[i] = r.End()
	}
	o.Name("resourceTypes")
	o.B = wire.AppendList(o.B, rows)
	return o.End()
}

// underSubscription is the id of the subscription that an address begins with; empty: none. The caller has to see it.
func (c *call) underSubscription() (string, error) {
	id := c.PathValue("subscription")
	if id == "" {
		return "", nil
	}
	n, err := c.subscription(id)
	if err != nil {
		return "", err
	}
	_, err = c.app.Node(c.Context(), c.Caller, c.Tenant, n.Scope)
	return n.ID, c.treeProblem(n, err)
}

func listProviders(c *call) (api.Answer, error) {
	where, err := c.underSubscription()
	if err != nil {
		return api.Answer{}, err
	}
	var rows [][]byte
	seen := map[string]bool{}
	for _, p := range catalog.AzureOperations() {
		seen[strings.ToLower(p.Namespace)] = true
		rows = append(rows, fromProvider(nil, where, p.Namespace, p.Types))
	}
	for _, name := range ownNamespaces() {
		if !seen[strings.ToLower(name)] {
			rows = append(rows, fromProvider(nil, where, name, nil))
		}
	}
	return c.page(rows, nil), nil
}

// getProvider tells of one; to register it changes nothing.
func getProvider(c *call) (api.Answer, error) {
	where, err := c.underSubscription()
	if err != nil {
		return api.Answer{}, err
	}
	name := c.PathValue("namespace")
	if !strings.Contains(name, ".") || printable(name) != name {
		return api.Answer{}, &problem{Status: http.StatusNotFound, Code: "InvalidResourceNamespace",
			Message: "The resource namespace '" + printable(name) + "' is invalid."}
	}
	var types []catalog.AzureType
	for _, p := range catalog.AzureOperations() {
		if strings.EqualFold(p.Namespace, name) {
			name, types = p.Namespace, p.Types
		}
	}
	return c.json(http.StatusOK, fromProvider(nil, where, name, types)), nil
}
