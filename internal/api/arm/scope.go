package arm

import (
	"net/http"
	"strings"

	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/resource"
)

// place is the scope that the address begins with; none is the root (reference arm-pim §2). The error is a *problem.
func (c *call) place() (resource.Node, error) {
	n, err := resource.ParseFor(c.Tenant, c.Scope)
	if err != nil {
		return n, notAddressed(strings.Split(strings.Trim(c.Scope, "/"), "/"), err)
	}
	return n, nil
}

// at tells a refusal that concerns what stands at a place; what else is wrong is told as everywhere.
func (c *call) at(n resource.Node, err error) error {
	if wire.Refused(err, pim.UnknownScope) {
		return absent(n)
	}
	return err
}

// reading is at for a list of what everybody holds: who may not read it is told what they may ask for (reference arm-pim §5, "Read
// rights").
func (c *call) reading(n resource.Node, err error) error {
	if wire.Refused(err, pim.Forbidden, pim.Constrained, pim.DeniedByAssignment) {
		return &problem{Status: http.StatusForbidden, Code: "InsufficientPermissions",
			Message: "The caller may not read what everybody holds at this scope. Their own rows are listed with $filter=asTarget()."}
	}
	return c.at(n, err)
}
