package arm

import (
	"net/http"

	"portcullis/internal/api"
)

// Alerts (reference arm-pim §11). None are raised here: the lists are empty, for those who may read them, and what changes an alert is
// refused.

func alertRoutes() []route {
	const (
		alerts         = "roleManagementAlerts"
		definitions    = "roleManagementAlertDefinitions"
		configurations = "roleManagementAlertConfigurations"
		operations     = "roleManagementAlertOperations"
	)
	return []route{
		{get, under(alerts), listNothing},
		{post, under(alerts + "/refresh"), refuseFeature},
		{get, under(alerts + "/{name}"), getNothing},
		{patch, under(alerts + "/{name}"), refuseFeature},
		{post, under(alerts + "/{name}/refresh"), refuseFeature},
		{get, under(alerts + "/{name}/alertIncidents"), getNothing},
		{get, under(alerts + "/{name}/alertIncidents/{incident}"), getNothing},
		{post, under(alerts + "/{name}/alertIncidents/{incident}/remediate"), refuseFeature},
		{get, under(definitions), listNothing},
		{get, under(definitions + "/{name}"), getNothing},
		{get, under(configurations), listNothing},
		{get, under(configurations + "/{name}"), getNothing},
		{patch, under(configurations + "/{name}"), refuseFeature},
		{get, under(operations + "/{name}"), getNothing},
	}
}

// featureNotOffered is the code by which is refused what this server does not do.
const featureNotOffered = "OperationNotSupported"

// known refuses callers who may not read at the scope, and scopes that are not there, as if there were something to see.
func (c *call) known() error {
	n, err := c.place()
	if err != nil {
		return err
	}
	_, err = c.app.Node(c.Context(), c.Caller, c.Tenant, n.Scope)
	return c.at(n, err)
}

// listNothing is a list that is empty.
func listNothing(c *call) (api.Answer, error) {
	if err := c.known(); err != nil {
		return api.Answer{}, err
	}
	return c.page(nil, nil), nil
}

// getNothing is one of a list that is empty.
func getNothing(c *call) (api.Answer, error) {
	if err := c.known(); err != nil {
		return api.Answer{}, err
	}
	return api.Answer{}, &problem{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "There is nothing of this name."}
}

// refuseFeature refuses to change what there is none of.
func refuseFeature(c *call) (api.Answer, error) {
	if err := c.known(); err != nil {
		return api.Answer{}, err
	}
	return api.Answer{}, &problem{Status: http.StatusBadRequest, Code: featureNotOffered, Message: "This server does not offer this operation."}
}
