package pimv2

import (
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// Subjects: governanceSubject (learn.microsoft.com/graph/api/resources/governancesubject).

// subject is who holds a role.
type subject = directory.Object

func (k *kinds) setSubjects() {
	k.subject = kind[subject]{
		Set: "governanceSubjects", Type: "governanceSubject", Schema: &odata.Schema{Properties: subjectProperties()},
		Key:   func(s subject) string { return string(s.ID) },
		Write: writeSubject, Value: subjectValue,
	}
}

func subjectProperties() []odata.Property {
	return []odata.Property{
		listing.IDProperty("id"), listing.EnumProperty("type", "User", "Group", "ServicePrincipal"), listing.TextProperty("displayName"),
		listing.TextProperty("principalName"), listing.TextProperty("email"),
	}
}

func writeSubject(_ *call, o *object, s subject) {
	account, mail := accountOf(s)
	o.Str("id", string(s.ID))
	o.Str("type", subjectType(s))
	o.Str("displayName", s.DisplayName)
	o.Str("principalName", account)
	o.Str("email", mail)
}

func subjectValue(_ *call, s subject, path []string) any {
	account, mail := accountOf(s)
	switch path[0] {
	case "id":
		return string(s.ID)
	case "type":
		return subjectType(s)
	case "displayName":
		return s.DisplayName
	case "principalName":
		return account
	case "email":
		return mail
	}
	return nil
}

func subjectType(s subject) string {
	switch s.Kind {
	case directory.KindUser:
		return "User"
	case directory.KindGroup:
		return "Group"
	case directory.KindServicePrincipal:
		return "ServicePrincipal"
	case directory.KindAdministrativeUnit, directory.KindRole, directory.KindResourceRole:
	}
	return "" // nothing else holds a role
}

// accountOf is what people alone have: the name of the account and the address for mail; empty for others.
func accountOf(s subject) (account, mail string) {
	if s.User == nil {
		return "", ""
	}
	return s.User.PrincipalName, s.User.Mail
}

// mostAtOnce bounds how many ids a store is asked for at once.
const mostAtOnce = 500

// subjects reads who has these ids.
func (c *call) subjects(ids map[pim.PrincipalID]bool) (map[pim.PrincipalID]subject, error) {
	list := make([]pim.PrincipalID, 0, len(ids))
	for id := range ids {
		if id != "" {
			list = append(list, id)
		}
	}
	found := make(map[pim.PrincipalID]subject, len(list))
	for len(list) > 0 {
		n := min(len(list), mostAtOnce)
		objects, err := c.directory.ObjectsByID(c.Context(), c.Tenant, list[:n])
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			found[o.ID] = o
		}
		list = list[n:]
	}
	return found, nil
}
