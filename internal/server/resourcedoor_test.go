package server_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"portcullis/internal/config"
	"portcullis/internal/sample"
)

// Role and place that open the door of these tests: the database lies in a group of resources, that in a subscription, and that in a
// management group.
const (
	sqlContributor = "9b7fa17d-e63e-47b0-bb0a-15c516ac86ec"
	production     = "/providers/Microsoft.Management/managementGroups/production"
	brightwater    = "/providers/Microsoft.Management/managementGroups/brightwater"
)

// places are the paths of the sample's payroll, which are the same each time.
type places struct{ subscription, group, database string }

func payrollPlaces() places {
	var p places
	p.subscription = "/subscriptions/" + sample.Organise(sample.Options{Seed: 1}).Subscriptions["payroll"]
	p.group = p.subscription + "/resourceGroups/ledger"
	p.database = p.group + "/providers/Portcullis.Targets/databases/salaries"
	return p
}

// call makes a call as somebody, or as the application for nobody, that has to succeed.
func (p *payroll) call(who, method, path, body string) string {
	p.t.Helper()
	status, answer := p.send(who, method, path, body)
	if status >= http.StatusBadRequest {
		p.t.Fatalf("%s %s %s: got %d %s", method, path, body, status, answer)
	}
	return answer
}

// request asks PIM on resources for something for alice.
func (p *payroll) request(who, at, set, name, properties string) {
	p.t.Helper()
	p.call(who, http.MethodPut, at+"/providers/Microsoft.Authorization/"+set+"/"+name+"?api-version=2020-10-01",
		`{"properties":{"principalId":"`+p.manifest.People["alice"].ID+`","roleDefinitionId":"`+at+
			`/providers/Microsoft.Authorization/roleDefinitions/`+sqlContributor+`","justification":"ticket 4711",`+properties+`}}`)
}

// eventually waits until alice can read the table, or is refused. A session that is ended just then is neither.
func (p *payroll) eventually(when string, reads bool) {
	p.t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if err = p.reads(); reads && err == nil || !reads && p.isRefusal(err) {
			return
		}
		select {
		case <-p.t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	p.t.Fatalf("%s: the database says %v; alice is to read the table: %v", when, err, reads)
}

// A role that is activated at a group of resources opens the door to a database in it, proved, and shuts it at its end, proved.
func TestADoorBelowWhereARoleIsActivated(t *testing.T) {
	at := payrollPlaces()
	p := openPayroll(t, false, true, config.Binding{Provider: "resource", Role: "SQL DB Contributor", Scope: at.database, Privilege: "payroll_reader"})
	p.request("pat", at.group, "roleEligibilityScheduleRequests", "4b1d0000-0000-4000-8000-000000000001",
		`"requestType":"AdminAssign","scheduleInfo":{"expiration":{"type":"AfterDuration","duration":"P30D"}}`)
	p.refusedAs(p.reads())
	const activation = "4b1d0000-0000-4000-8000-000000000002"
	p.request("alice", at.group, "roleAssignmentScheduleRequests", activation,
		`"requestType":"SelfActivate","scheduleInfo":{"expiration":{"type":"AfterDuration","duration":"PT1H"}}`)
	if opened := p.until(activation, "usable"); opened.UsableDateTime == nil {
		t.Error("the effect does not say since when it is usable")
	}
	if err := p.reads(); err != nil {
		t.Fatalf("alice cannot read while she is active: %v", err)
	}
	p.move("PT1H")
	if shut := p.until(activation, "gone"); shut.GoneDateTime == nil {
		t.Error("the effect does not say since when it is gone")
	}
	p.refusedAs(p.reads())
}

// What a group holds further up opens the door for its members, and shuts when the membership ends, when the subscription is moved
// from under the grant, and when the database is gone.
func TestADoorBelowWhatAGroupHolds(t *testing.T) {
	at := payrollPlaces()
	p := openPayroll(t, false, true, config.Binding{Provider: "resource", Role: sqlContributor, Scope: at.database, Privilege: "payroll_reader"})
	alice := p.manifest.People["alice"].ID
	var group struct{ ID string }
	if err := json.Unmarshal([]byte(p.call("", http.MethodPost, "/v1.0/groups",
		`{"displayName":"Payroll","mailEnabled":false,"mailNickname":"payroll","securityEnabled":true}`)), &group); err != nil {
		t.Fatal(err)
	}
	join := func() {
		t.Helper()
		p.call("", http.MethodPost, "/v1.0/groups/"+group.ID+"/members/$ref", `{"@odata.id":"`+p.URL()+`/v1.0/directoryObjects/`+alice+`"}`)
	}
	lies := func(in string) {
		t.Helper()
		p.call("pat", http.MethodPut, in+at.subscription+"?api-version=2020-05-01", "")
	}
	join()
	p.call("pat", http.MethodPut, production+"/providers/Microsoft.Authorization/roleAssignments/4b1d0000-0000-4000-8000-000000000003?api-version=2022-04-01",
		`{"properties":{"principalId":"`+group.ID+`","principalType":"Group","roleDefinitionId":"`+production+`/providers/Microsoft.Authorization/roleDefinitions/`+sqlContributor+`"}}`)
	p.eventually("given to the group", true)
	p.call("", http.MethodDelete, "/v1.0/groups/"+group.ID+"/members/"+alice+"/$ref", "")
	p.eventually("out of the group", false)
	join()
	p.eventually("in the group again", true)
	lies(brightwater)
	p.eventually("the subscription is moved away", false)
	lies(production)
	p.eventually("and back", true)
	p.call("pat", http.MethodDelete, at.database+"?api-version=2021-04-01", "")
	p.eventually("the database is deleted", false)
}
