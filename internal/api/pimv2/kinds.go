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

func idProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindID, Filterable: true, Sortable: true}
}

func textProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindText, Filterable: true, Sortable: true}
}

func timeProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindTime, Filterable: true, Sortable: true}
}

func boolProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindBool, Filterable: true}
}

func numberProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindNumber, Filterable: true, Sortable: true}
}

func enumProperty(name string, values ...string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindEnum, Filterable: true, Sortable: true, Values: values}
}

// plainProperties can be selected only.
func plainProperties(names ...string) []odata.Property {
	out := make([]odata.Property, len(names))
	for i, n := range names {
		out[i] = odata.Property{Name: n, Kind: odata.KindComplex}
	}
	return out
}

// within lets filters and $orderby reach into a related object, which $select does not name.
func within(name string, properties ...odata.Property) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindComplex, Filterable: true, Properties: properties}
}

// referenceProperties let filters reach into what assignments, requests and settings lead to.
func referenceProperties() []odata.Property {
	resource := within("resource", resourceProperties()...)
	return []odata.Property{
		resource, within("scopedResource", idProperty("id"), textProperty("displayName")),
		within("subject", subjectProperties()...),
		within("roleDefinition", append(roleDefinitionProperties(), resource)...),
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
