package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

const (
	// subscription is the one that the configuration of resources is kept in.
	subscription  = "a11ce000-0000-4000-8000-00000000000a"
	authorization = "/providers/Microsoft.Authorization/"
	owner         = authorization + "roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
)

// ofResources is what is told of resources.
func (t *story) ofResources() []step {
	return []step{
		{"an administrator makes a subscription and its owner", t.makeSubscription},
		{"apply", func(ctx context.Context) error { return t.first.apply(ctx) }},
		{"the plan is empty", t.first.planEmpty},
		{"change", t.change},
		{"the plan is empty", t.first.planEmpty},
		{"import into a fresh state", t.imports},
		{"the plan of the fresh state is empty", t.fresh.planEmpty},
		// What has just been given runs for five minutes before anybody may take it: the provider would wait.
		{"a quarter of an hour passes", func(ctx context.Context) error { return t.after(ctx, "PT15M") }},
		{"destroy", t.first.destroy},
		{"nothing is left", t.noResourcesLeft},
	}
}

// makeSubscription lets a Global Administrator take the way that leads to resources: access to all of them, a subscription, and
// the application as its owner.
func (t *story) makeSubscription(ctx context.Context) error {
	grace := t.People["grace"]
	token, err := t.signIn(ctx, url.Values{"grant_type": {"password"}, "username": {grace.UserPrincipalName}, "password": {grace.Password}})
	if err != nil {
		return err
	}
	give := func(scope, name, principal string) error {
		return t.do(ctx, token, http.MethodPut, scope+authorization+"roleAssignments/"+name+"?api-version=2022-04-01",
			map[string]any{"properties": map[string]string{"roleDefinitionId": owner, "principalId": principal}}, nil)
	}
	return errors.Join(
		t.do(ctx, token, http.MethodPost, authorization+"elevateAccess?api-version=2015-07-01", nil, nil),
		give("", "a11ce000-0000-4000-8000-00000000000b", grace.ID),
		t.do(ctx, token, http.MethodPut, "/subscriptions/"+subscription+"?api-version=2022-12-01", map[string]string{"displayName": "Terraform"}, nil),
		give("/subscriptions/"+subscription, "a11ce000-0000-4000-8000-00000000000c", t.Client.ObjectID),
	)
}

// noResourcesLeft asks the server for what the configuration makes.
func (t *story) noResourcesLeft(ctx context.Context) error {
	at := "/subscriptions/" + subscription
	for _, path := range []string{
		at + "/resourcegroups?api-version=2021-04-01",
		at + authorization + "roleEligibilitySchedules?api-version=2020-10-01",
		at + authorization + "roleAssignmentSchedules?api-version=2020-10-01&$filter=" + url.QueryEscape("principalId eq '"+t.People["alice"].ID+"'"),
		at + authorization + "roleDefinitions?api-version=2022-04-01&$filter=" + url.QueryEscape("type eq 'CustomRole'"),
	} {
		var page struct{ Value []map[string]any }
		if err := t.do(ctx, t.token, http.MethodGet, path, nil, &page); err != nil {
			return err
		}
		if len(page.Value) != 0 {
			return fmt.Errorf("%s: got %d, want none: %v", path, len(page.Value), page.Value)
		}
	}
	return nil
}
