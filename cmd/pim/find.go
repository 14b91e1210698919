package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"portcullis/internal/api/wire"
	"portcullis/internal/client"
)

// leastOfID is how much of an id has to be given: ids of one minute begin alike.
const leastOfID = 8

// find reads the request with an id, or the one whose id begins so among those of the views.
func (s *session) find(ctx context.Context, id string, views ...client.View) (client.Request, error) {
	kinds := kinds(client.Assignment, client.Eligibility)
	if wire.IsGUID(id) {
		for _, k := range kinds {
			r, err := s.Request(ctx, k, strings.ToLower(id))
			if e, ok := errors.AsType[*client.Error](err); ok && (e.Status == http.StatusNotFound || k.OfGroup() && e.Status == http.StatusForbidden) {
				continue
			}
			return r, err
		}
		return client.Request{}, noSuchRequest(id)
	}
	if len(id) < leastOfID {
		return client.Request{}, usagef("%q is too short for the id of a request: give at least %d characters", id, leastOfID)
	}
	list, err := s.requests(ctx, kinds, views, "", 1000)
	if err != nil {
		return client.Request{}, err
	}
	var found []client.Request
	for _, r := range list {
		if strings.HasPrefix(strings.ToLower(r.ID), strings.ToLower(id)) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return client.Request{}, noSuchRequest(id)
	case 1:
		return found[0], nil
	}
	return client.Request{}, usagef("%d requests begin with %s: give the whole id", len(found), id)
}

func noSuchRequest(id string) error {
	return refused("See yours with: pim requests, and those that wait for you with: pim requests --to-approve",
		"there is no request %s that you may see", id)
}
