package client

import (
	"context"
	"time"
)

// Use is one sort of call of a dialect that is on its way out, or such a dialect that nobody has called.
type Use struct {
	Dialect string `json:"dialect"`
	// Mode is on, readOnly or off.
	Mode string `json:"mode"`
	// ApplicationID is a client id, and Application its name; empty: unknown.
	ApplicationID string `json:"applicationId"`
	Application   string `json:"applicationName"`
	// Route is the method and the pattern of the address; empty: nobody calls.
	Route string     `json:"route"`
	Count int64      `json:"count"`
	First *time.Time `json:"firstDateTime"`
	Last  *time.Time `json:"lastDateTime"`
}

// Dialects lists who still calls the dialects that are on their way out, for those who may read the audit log.
func (c *Client) Dialects(ctx context.Context) ([]Use, error) {
	return all[Use](ctx, c, "/portcullis/v1/dialects")
}
