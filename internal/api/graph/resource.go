package graph

import (
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/directory"
)

// Resources of PIM for groups: governanceResource (learn.microsoft.com/graph/api/resources/governanceresource), which
// beta alone has. Every group is one from the beginning: there is nothing that a group has to be brought into.

func resourceProperties() []odata.Property {
	return append([]odata.Property{idProperty("id"), textProperty("displayName")},
		plainProperties("externalId", "type", "status", "registeredDateTime", "registeredRoot")...)
}

func writeResource(_ *call, o *object, g directory.Object) {
	o.text("id", string(g.ID))
	o.text("displayName", g.DisplayName)
	o.text("externalId", string(g.ID))
	o.str("type", "Group")
	o.str("status", "Active")
	o.time("registeredDateTime", g.Created)
	o.null("registeredRoot")
}

// bareGroup answers for the address above the sets, as the service does.
func bareGroup(*call) (api.Answer, error) {
	return api.Answer{}, &problem{Status: http.StatusBadRequest, Code: "UnknownError",
		Message: string(mustJSON(nested{"MissingProvider", "The provider is missing.", []string{}}))}
}
