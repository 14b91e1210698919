package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

const groups = "/v1.0/identityGovernance/privilegedAccess/group/"

// activate lets the engineer, who is eligible by the configuration, become a member of the privileged group for an hour:
// with a reason and a ticket, as the rules demand after the change, and by the word of the lead, whom they name. PIM's
// grants are none of Terraform's business.
func (t *story) activate(ctx context.Context) error {
	all, err := t.first.resources(ctx)
	if err != nil {
		return err
	}
	ids := map[string]string{}
	for _, r := range all {
		ids[r.Address] = r.Values.ObjectID
	}
	group, engineer := ids["azuread_group.privileged"], ids["azuread_user.engineer"]
	var request struct{ ID, ApprovalID, Status string }
	err = t.as(ctx, "tf-engineer", http.MethodPost, groups+"assignmentScheduleRequests", map[string]any{
		"action": "selfActivate", "accessId": "member", "groupId": group, "principalId": engineer, "justification": "the lights are out",
		"ticketInfo":   map[string]string{"ticketNumber": "4712", "ticketSystem": "Desk"},
		"scheduleInfo": map[string]any{"expiration": map[string]string{"type": "afterDuration", "duration": "PT1H"}},
	}, &request)
	if err != nil {
		return err
	}
	if request.Status != "PendingApproval" {
		return fmt.Errorf("the activation is %s, want PendingApproval", request.Status)
	}
	decision := map[string]string{"reviewResult": "Approve", "justification": "indeed"}
	stage := groups + "assignmentApprovals/" + request.ApprovalID + "/stages/" + request.ApprovalID
	if err := t.as(ctx, "tf-lead", http.MethodPatch, stage, decision, nil); err != nil {
		return err
	}
	members, err := t.list(ctx, "/v1.0/groups/"+group+"/members")
	if err != nil {
		return err
	}
	for _, m := range members {
		if m["id"] == engineer {
			return nil
		}
	}
	return errors.New("the engineer is no member of the group after the activation")
}

// as does something in the name of one of the people that the configuration made.
func (t *story) as(ctx context.Context, who, method, path string, body, into any) error {
	token, err := t.signIn(ctx, url.Values{
		"grant_type": {"password"}, "username": {who + "@" + t.Domain}, "password": {t.password},
	})
	if err != nil {
		return err
	}
	return t.do(ctx, token, method, path, body, into)
}
