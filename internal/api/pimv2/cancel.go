package pimv2

import (
	"portcullis/internal/api"
	"portcullis/internal/pim"
)

// cancelRequest withdraws a request (learn.microsoft.com/graph/api/governanceroleassignmentrequest-cancel).
func cancelRequest(c *call) (api.Answer, error) {
	r, err := c.request()
	if err != nil {
		return api.Answer{}, err
	}
	if _, err := c.app.Do(c.Context(), pim.Ask{By: c.Caller, Action: pim.Cancel, Kind: r.Kind, Key: r.Key, Request: r.ID}); err != nil {
		return api.Answer{}, err
	}
	return noContent()
}
