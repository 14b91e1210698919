package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Rules are what activating a role asks for.
type Rules struct {
	// Maximum is the longest activation, as ISO 8601 writes it.
	Maximum                    string
	MFA, Justification, Ticket bool
	Context                    string
	Approval                   bool
	RequestorJustification     bool
	// Stages are who must approve, in this order. A stage without approvers is for the administrators of roles.
	Stages [][]Approver
}

// Approver is somebody named in the rules: a person, the members of a group, or the requestor's manager.
type Approver struct {
	ID    string
	Group bool
	// Manager says that it is the manager of whoever asks.
	Manager bool
}

// rule is one rule of a policy as it comes.
type rule struct {
	ID      string   `json:"id"`
	Maximum string   `json:"maximumDuration"`
	Enabled []string `json:"enabledRules"`
	IsOn    bool     `json:"isEnabled"`
	Claim   string   `json:"claimValue"`
	Setting *struct {
		Required      bool `json:"isApprovalRequired"`
		Justification bool `json:"isRequestorJustificationRequired"`
		Stages        []struct {
			Approvers []struct {
				Type    string `json:"@odata.type"`
				UserID  string `json:"userId"`
				GroupID string `json:"groupId"`
				ID      string `json:"id"`
			} `json:"primaryApprovers"`
		} `json:"approvalStages"`
	} `json:"setting"`
}

// Rules reads what activating a role asks for. A person may read them for roles that concern them.
func (c *Client) Rules(ctx context.Context, role string) (Rules, error) {
	return c.rulesBy(ctx, "scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq "+text(role))
}

func (c *Client) rulesBy(ctx context.Context, filter string) (Rules, error) {
	var page struct {
		Value []struct {
			Policy struct {
				Rules []rule `json:"rules"`
			} `json:"policy"`
		} `json:"value"`
	}
	path := with("/v1.0/policies/roleManagementPolicyAssignments", "$filter", filter, "$expand", "policy($expand=rules)")
	if err := c.call(ctx, http.MethodGet, path, nil, &page); err != nil {
		return Rules{}, err
	}
	var out Rules
	for _, assignment := range page.Value {
		for _, r := range assignment.Policy.Rules {
			out.take(r)
		}
	}
	return out, nil
}

func (r *Rules) take(from rule) {
	switch from.ID {
	case "Expiration_EndUser_Assignment":
		r.Maximum = from.Maximum
	case "Enablement_EndUser_Assignment":
		for _, name := range from.Enabled {
			switch name {
			case "MultiFactorAuthentication":
				r.MFA = true
			case "Justification":
				r.Justification = true
			case "Ticketing":
				r.Ticket = true
			}
		}
	case "AuthenticationContext_EndUser_Assignment":
		if from.IsOn {
			r.Context = from.Claim
		}
	case "Approval_EndUser_Assignment":
		r.takeApproval(from)
	}
}

func (r *Rules) takeApproval(from rule) {
	if from.Setting == nil || !from.Setting.Required {
		return
	}
	r.Approval, r.RequestorJustification = true, from.Setting.Justification
	for _, s := range from.Setting.Stages {
		stage := []Approver{}
		for _, a := range s.Approvers {
			stage = append(stage, Approver{
				ID: a.UserID + a.GroupID + a.ID, Group: strings.HasSuffix(a.Type, "groupMembers"),
				Manager: strings.HasSuffix(a.Type, "requestorManager"),
			})
		}
		r.Stages = append(r.Stages, stage)
	}
}

// ObjectByID reads a directory object.
func (c *Client) ObjectByID(ctx context.Context, id string) (Object, error) {
	var o Object
	err := c.call(ctx, http.MethodGet, "/v1.0/directoryObjects/"+url.PathEscape(id), nil, &o)
	return o, err
}

// User reads a user by id or user principal name.
func (c *Client) User(ctx context.Context, name string) (Object, error) {
	o := Object{Type: "#microsoft.graph.user"}
	err := c.call(ctx, http.MethodGet, with("/v1.0/users/"+url.PathEscape(name), "$select", "id,displayName,userPrincipalName"), nil, &o)
	return o, err
}

// Named lists users, groups and applications with that display name, without letter case.
func (c *Client) Named(ctx context.Context, name string) ([]Object, error) {
	var out []Object
	for _, set := range []struct{ path, kind, fields string }{
		{"users", "user", "id,displayName,userPrincipalName"},
		{"groups", "group", "id,displayName"},
		{"servicePrincipals", "servicePrincipal", "id,displayName"},
	} {
		rows, err := all[Object](ctx, c, with("/v1.0/"+set.path, "$filter", "displayName eq "+text(name), "$select", set.fields))
		if err != nil {
			return nil, err
		}
		for i := range rows {
			rows[i].Type = "#microsoft.graph." + set.kind
		}
		out = append(out, rows...)
	}
	return out, nil
}
