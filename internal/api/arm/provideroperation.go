package arm

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/catalog"
)

// What there is to be allowed: ProviderOperationsMetadata, and the operations of this provider (reference arm-pim §10). They are
// those that the built-in roles name, and are for everybody to read.

const providerOperations = "providerOperations"

func providerOperationRoutes() []route {
	return []route{
		{get, under(providerOperations), listProviderOperations},
		{get, under(providerOperations + "/{namespace}"), getProviderOperations},
		{get, under("operations"), listOperations},
	}
}

// expands says whether the types of a provider are asked for, too.
func (c *call) expands() bool { return strings.EqualFold(c.option("$expand"), "resourceTypes") }

func appendProvider(b []byte, p catalog.AzureProvider, types bool) []byte {
	o := wire.New(b, nil)
	o.Str("id", idIn("", providerOperations, p.Namespace))
	o.Str("name", p.Namespace)
	o.Str("type", typeOf(providerOperations))
	o.Str("displayName", p.Namespace)
	o.Name("resourceTypes")
	if !types {
		p.Types = nil
	}
	o.B = wire.AppendEach(o.B, p.Types, appendOperationsOfType)
	o.Name("operations")
	o.B = wire.AppendEach(o.B, p.Operations, appendProviderOperation)
	return o.End()
}

func appendOperationsOfType(b []byte, t catalog.AzureType) []byte {
	o := wire.New(b, nil)
	o.Str("name", t.Name)
	o.Str("displayName", t.Name)
	o.Name("operations")
	o.B = wire.AppendEach(o.B, t.Operations, appendProviderOperation)
	return o.End()
}

func appendProviderOperation(b []byte, op catalog.AzureOperation) []byte {
	o := wire.New(b, nil)
	o.Str("name", op.Name)
	o.Str("displayName", op.Name)
	o.Str("description", "")
	o.Null("origin", "properties")
	o.Bool("isDataAction", op.Data)
	return o.End()
}

func listProviderOperations(c *call) (api.Answer, error) {
	providers := catalog.AzureOperations()
	rows := make([][]byte, len(providers))
	for i, p := range providers {
		rows[i] = appendProvider(nil, p, c.expands())
	}
	return c.page(rows, nil), nil
}

func getProviderOperations(c *call) (api.Answer, error) {
	for _, p := range catalog.AzureOperations() {
		if strings.EqualFold(p.Namespace, c.PathValue("namespace")) {
			return c.json(http.StatusOK, appendProvider(nil, p, c.expands())), nil
		}
	}
	return api.Answer{}, &problem{Status: http.StatusNotFound, Code: "ProviderNotFound",
		Message: "The provider '" + printable(c.PathValue("namespace")) + "' is not found."}
}

// listOperations lists the operations of this provider alone, in the form of Operation.
func listOperations(c *call) (api.Answer, error) {
	var rows [][]byte
	for _, p := range catalog.AzureOperations() {
		if p.Namespace != authorization {
			continue
		}
		for _, op := range p.Operations {
			rows = append(rows, appendOperation(nil, "", op))
		}
		for _, t := range p.Types {
			for _, op := range t.Operations {
				rows = append(rows, appendOperation(nil, t.Name, op))
			}
		}
	}
	return c.page(rows, nil), nil
}

func appendOperation(b []byte, typ string, op catalog.AzureOperation) []byte {
	o := wire.New(b, nil)
	o.Str("name", op.Name)
	o.Bool("isDataAction", op.Data)
	o.Name("display")
	d := wire.New(o.B, nil)
	d.Str("provider", authorization)
	d.Str("resource", typ)
	d.Str("operation", op.Name)
	d.Str("description", "")
	o.B = d.End()
	o.Null("origin")
	return o.End()
}
