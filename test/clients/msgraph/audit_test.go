package msgraph

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/auditlogs"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"portcullis/test/clients/house"
)

// entries lists what the audit log has, the oldest first, in pages of three.
func (g *graph) entries(t *testing.T, filter ...string) []models.DirectoryAuditable {
	t.Helper()
	return g.log(t, &auditlogs.DirectoryAuditsRequestBuilderGetQueryParameters{
		Filter: new(strings.Join(filter, " and ")), Orderby: []string{"activityDateTime"}, Top: new(int32(3)),
	})
}

func (g *graph) log(t *testing.T, q *auditlogs.DirectoryAuditsRequestBuilderGetQueryParameters) []models.DirectoryAuditable {
	t.Helper()
	first, err := g.AuditLogs().DirectoryAudits().Get(t.Context(), &auditlogs.DirectoryAuditsRequestBuilderGetRequestConfiguration{QueryParameters: q})
	must(t, "read the audit log", err)
	pages, err := core.NewPageIterator[models.DirectoryAuditable](first, g.adapter, models.CreateDirectoryAuditCollectionResponseFromDiscriminatorValue)
	must(t, "page through the audit log", err)
	var all []models.DirectoryAuditable
	must(t, "page through the audit log", pages.Iterate(t.Context(), func(e models.DirectoryAuditable) bool {
		all = append(all, e)
		return true
	}))
	return all
}

// names are what happened, in order.
func names(entries []models.DirectoryAuditable) string {
	var out []string
	for _, e := range entries {
		out = append(out, house.Value(e.GetActivityDisplayName()))
	}
	return strings.Join(out, "; ")
}

func TestTheLogTellsTheStoryOfAnApprovedActivation(t *testing.T) {
	app, bob := sample.application(t), sample.Someone(t, "bob")
	ana, aud := sample.Someone(t, "ana"), sample.Someone(t, "aud")
	role := app.role(t, "Dynamics 365 Administrator")
	app.makesEligible(t, bob, role, "P30D")
	app.ruled(t, role, demands("Justification"))
	app.ruled(t, role, demandsApproval(ana))
	id := house.Value(sample.signIn(t, bob).waiting(t, bob, role).GetId())
	sample.signIn(t, ana).answers(t, approvalsOfRole{role}, id, "Approve")
	sample.After(t, time.Hour)

	// Aud reads the log: an auditor, who may do nothing else.
	g := sample.signIn(t, aud)
	ofRequest := "correlationId eq '" + id + "'"
	house.Until(t, "the end is logged", func() bool { return len(g.entries(t, ofRequest)) == 5 })
	all := g.entries(t, ofRequest)
	house.Equal(t, "what happened", names(all), "Add member to role requested (PIM activation); "+
		"Add member to role approval requested (PIM activation); Add member to role request approved (PIM activation); "+
		"Add member to role completed (PIM activation); Remove member from role (PIM activation expired)")
	for _, e := range all {
		house.Equal(t, "service", house.Value(e.GetLoggedByService()), "PIM")
		house.Equal(t, "category", house.Value(e.GetCategory()), "RoleManagement")
		house.Equal(t, "result", house.Value(e.GetResult()), models.SUCCESS_OPERATIONRESULT)
	}
	asked, approved, expired := all[0], all[2], all[4]
	house.Equal(t, "who asked", house.Value(asked.GetInitiatedBy().GetUser().GetUserPrincipalName()), bob.UserPrincipalName)
	house.Equal(t, "why", house.Value(asked.GetResultReason()), "Ticket 4711")
	house.Equal(t, "who approved", house.Value(approved.GetInitiatedBy().GetUser().GetId()), ana.ID)
	house.Equal(t, "who ended it", house.Value(expired.GetInitiatedBy().GetApp().GetDisplayName()), "MS-PIM")
	var targets []string
	for _, target := range asked.GetTargetResources() {
		targets = append(targets, house.Value(target.GetTypeEscaped())+" "+house.Value(target.GetId()))
	}
	house.Equal(t, "targets", strings.Join(house.Rows(t, "targets", targets, 5)[:4], "; "),
		"Role "+role+"; Request "+id+"; User "+bob.ID+"; Directory "+sample.TenantID)
	reason := slices.IndexFunc(asked.GetAdditionalDetails(), func(k models.KeyValueable) bool { return house.Value(k.GetKey()) == "Justification" })
	if reason < 0 {
		t.Error("the details do not say why")
	}
	one, err := g.AuditLogs().DirectoryAudits().ByDirectoryAuditId(house.Value(asked.GetId())).Get(t.Context(), nil)
	must(t, "read one entry", err)
	house.Equal(t, "name of one entry", house.Value(one.GetActivityDisplayName()), house.Value(asked.GetActivityDisplayName()))
}

func TestTheLogIsFilteredAndPagedThrough(t *testing.T) {
	app, alice := sample.application(t), sample.Someone(t, "alice")
	group := app.makeGroup(t, "logged")
	app.opens(t, alice, group, asMember)
	asAlice := sample.signIn(t, alice)
	without := joins(alice, group)
	without.justification = ""
	_, err := asAlice.membership(t, without)
	refused(t, "activate without a reason", err, http.StatusBadRequest, policyFailed)
	got, err := asAlice.membership(t, joins(alice, group))
	done(t, "activate", got, err, "Provisioned")

	g := sample.signIn(t, sample.Someone(t, "aud"))
	about, byAlice := "targetResources/any(t:t/id eq '"+group+"')", "initiatedBy/user/id eq '"+alice.ID+"'"
	const requested, completed = "Add member to role requested (PIM activation)", "Add member to role completed (PIM activation)"
	check := func(want string, filter ...string) {
		t.Helper()
		house.Equal(t, "entries of "+strings.Join(filter, " and "), names(g.entries(t, filter...)), want)
	}
	check(requested+"; "+completed, about, byAlice, "category eq 'GroupManagement'", "loggedByService eq 'PIM'", "result eq 'success'")
	check(requested, about, "result eq 'failure'")
	check(completed, about, "activityDisplayName eq '"+completed+"'")
	check("Add eligible member to role in PIM requested (timebound); Add eligible member to role in PIM completed (timebound)",
		about, "initiatedBy/app/appId eq '"+sample.Client.ID+"'", "startswith(activityDisplayName,'Add eligible member')")
	check("", about, "activityDateTime ge 2200-01-01T00:00:00Z")

	// The latest first, unless asked for otherwise; each entry comes once.
	all := g.log(t, &auditlogs.DirectoryAuditsRequestBuilderGetQueryParameters{Filter: &about, Top: new(int32(2))})
	if len(all) < 5 {
		t.Errorf("entries about the group: got %d, want 5 at least", len(all))
	}
	seen := map[string]bool{}
	for i, e := range all {
		seen[house.Value(e.GetId())] = true
		if i > 0 && house.Value(e.GetActivityDateTime()).After(house.Value(all[i-1].GetActivityDateTime())) {
			t.Errorf("entry %d is later than the one before it", i)
		}
	}
	house.Equal(t, "entries that are not the same", len(seen), len(all))
}

func TestWhoIsNoReaderSeesNoLog(t *testing.T) {
	_, err := sample.signIn(t, sample.Someone(t, "alice")).AuditLogs().DirectoryAudits().Get(t.Context(), nil)
	refused(t, "read the log", err, http.StatusForbidden, "Authentication_RequestFromUnsupportedUserRole")
}
