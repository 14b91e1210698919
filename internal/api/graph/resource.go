package graph

import (
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/directory"
)

// Resources of PIM for groups: governanceResource (learn.microsoft.com/graph/api/resources/governanceresource), which
// beta alone has. Every group is one from the beginning: there is nothing that a group has to be brought into.

func resourceProperties() []odata.Property {
	return append([]odata.Property{idProperty("id"), textProperty("displayName")},
		listing.PlainProperties("externalId", "type", "status", "registeredDateTime", "registeredRoot")...)
}

func writeResource(_ *call, o *object, g directory.Object) {
	o.Text("id", string(g.ID))
	o.Text("displayName", g.DisplayName)
	o.Text("externalId", string(g.ID))
	o.Str("type", "Group")
	o.Str("status", "Active")
	o.Time("registeredDateTime", g.Created)
	o.Null("registeredRoot")
}

// bareGroup answers for the address above the sets, as the service does.
func bareGroup(*call) (api.Answer, error) {
	return api.Answer{}, &problem{Status: http.StatusBadRequest, Code: "UnknownError",
		Message: string(wire.MustJSON(nested{"MissingProvider", "The provider is missing.", []string{}}))}
}
