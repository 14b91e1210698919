package pimv2

import (
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// kind is one entity type of this dialect, and related what is expanded of one.
type (
	kind[T any] = listing.Kind[*call, T]
	related     = listing.Related
	// object is the writer of one JSON object.
	object = wire.Object
)

// kinds are the entity types of the dialect. They are made once and not changed.
type kinds struct {
	provider       kind[pim.Provider]
	resource       kind[place]
	roleDefinition kind[role]
	subject        kind[subject]
	assignment     kind[row]
	request        kind[requestRow]
	setting        kind[setting]
	lifeCycle      kind[setting]
}

func newKinds() *kinds {
	k := &kinds{}
	k.setProviders()
	k.setSubjects()
	k.setResources()
	k.setRoleDefinitions()
	k.setAssignments()
	k.setRequests()
	k.setSettings()
	return k
}

// What properties are, as filters and $orderby know them.

// referenceProperties let filters reach into what assignments, requests and settings lead to.
func referenceProperties() []odata.Property {
	resource := listing.Within("resource", resourceProperties()...)
	return []odata.Property{
		resource, listing.Within("scopedResource", listing.IDProperty("id"), listing.TextProperty("displayName")),
		listing.Within("subject", subjectProperties()...),
		listing.Within("roleDefinition", append(roleDefinitionProperties(), resource)...),
	}
}

// navigations are what assignments, requests and settings lead to.
func (k *kinds) navigations(names ...string) []odata.Navigation {
	schemas := map[string]*odata.Schema{
		"resource": k.resource.Schema, "scopedResource": k.resource.Schema, "roleDefinition": k.roleDefinition.Schema,
		"subject": k.subject.Schema,
	}
	out := make([]odata.Navigation, len(names))
	for i, n := range names {
		out[i] = odata.Navigation{Name: n, Schema: schemas[n]}
	}
	return out
}
