package listing

import "portcullis/internal/api/odata"

// What properties are, as filters and $orderby know them, in sets that are sorted here where their store cannot.

// IDProperty is an id.
func IDProperty(name string) odata.Property { return sorted(name, odata.KindID) }

// TextProperty is a text for people.
func TextProperty(name string) odata.Property { return sorted(name, odata.KindText) }

// TimeProperty is an instant.
func TimeProperty(name string) odata.Property { return sorted(name, odata.KindTime) }

// BoolProperty is a truth value.
func BoolProperty(name string) odata.Property { return sorted(name, odata.KindBool) }

// NumberProperty is a number.
func NumberProperty(name string) odata.Property { return sorted(name, odata.KindNumber) }

// EnumProperty is a word of a closed set.
func EnumProperty(name string, values ...string) odata.Property {
	p := sorted(name, odata.KindEnum)
	p.Values = values
	return p
}

func sorted(name string, k odata.Kind) odata.Property {
	return odata.Property{Name: name, Kind: k, Filterable: true, Sortable: true}
}

// PlainProperty can be selected only.
func PlainProperty(name string) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindComplex}
}

// PlainProperties can be selected only.
func PlainProperties(names ...string) []odata.Property {
	out := make([]odata.Property, len(names))
	for i, n := range names {
		out[i] = PlainProperty(n)
	}
	return out
}

// Within lets filters and $orderby reach into a related object, which $select does not name.
func Within(name string, properties ...odata.Property) odata.Property {
	return odata.Property{Name: name, Kind: odata.KindComplex, Filterable: true, Properties: properties}
}
