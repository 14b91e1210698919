package azpimcli

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"portcullis/test/clients/house"
)

// The addresses at which the third iteration shows who has what: the same facts in other words.
const (
	activeRoles    = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances/filterByCurrentUser(on='principal')"
	activeGroups   = "/v1.0/identityGovernance/privilegedAccess/group/assignmentScheduleInstances/filterByCurrentUser(on='principal')"
	requestedRoles = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/filterByCurrentUser(on='principal')"
	requestedGroup = "/v1.0/identityGovernance/privilegedAccess/group/assignmentScheduleRequests/filterByCurrentUser(on='principal')"
)

// fact is a row of these, as far as the stories look at it.
type fact struct {
	Type          string            `json:"assignmentType"`
	Role          string            `json:"roleDefinitionId"`
	Group         string            `json:"groupId"`
	Access        string            `json:"accessId"`
	Start         time.Time         `json:"startDateTime"`
	End           time.Time         `json:"endDateTime"`
	Status        string            `json:"status"`
	Justification string            `json:"justification"`
	Ticket        map[string]string `json:"ticketInfo"`
}

// facts are what the third iteration shows somebody of themselves.
func facts(t *testing.T, person *house.Person, address string) []fact {
	t.Helper()
	token, err := sample.Device(t, sample.NewBrowser(person)).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: sample.Scopes(), EnableCAE: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, sample.URL+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token.Token)
	answer, err := (&http.Client{Transport: sample.Transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var list struct {
		Value []fact `json:"value"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: got %s (%v), want 200", address, answer.Status, err)
	}
	return list.Value
}

// activated are the activations among rows.
func activated(rows []fact) []fact {
	var out []fact
	for _, r := range rows {
		if strings.EqualFold(r.Type, "Activated") {
			out = append(out, r)
		}
	}
	return out
}

// Eve may become a security administrator. The program finds the role by the directory's name, is told what the role demands, and
// has it once she has proved a second factor and named a ticket.
func TestDirectoryRole(t *testing.T) {
	eve := sample.Someone(t, "eve")
	d := sit(t, eve, true)
	way.visits()
	said := d.runs(0, "list", "role")
	house.Contains(t, "the list", said, "== Brightwater Foods ==")
	house.Contains(t, "the list", said, "- Security Administrator")

	security := []string{"activate", "role", "--name", "BRIGHTWATER foods", "--role", "security administrator", "--duration", "60", "--reason", "an odd sign-in"}
	said = d.runs(1, security...)
	house.Contains(t, "without a ticket", said, "TicketingRule")
	said = d.runs(1, append(security, "--validate-only")...)
	house.Contains(t, "validating without a ticket", said, "TicketingRule")

	security = append(security, "--ticket-system", "desk", "--ticket-number", "INC-1")
	d.runs(0, append(security, "--dry-run")...)
	house.Contains(t, "validating", d.runs(0, append(security, "--validate-only")...), "request was successful")
	house.Rows(t, "activations before", activated(facts(t, eve, activeRoles)), 0)

	house.Contains(t, "activating", d.runs(0, security...), "request was successful")
	row := house.Rows(t, "activations", activated(facts(t, eve, activeRoles)), 1)[0]
	house.Equal(t, "its length", row.End.Sub(row.Start), time.Hour)
	request := house.Rows(t, "requests", facts(t, eve, requestedRoles), 1)[0]
	house.Equal(t, "its reason", request.Justification, "an odd sign-in")
	house.Equal(t, "its ticket", request.Ticket["ticketNumber"], "INC-1")
	house.Equal(t, "its ticket's system", request.Ticket["ticketSystem"], "desk")

	house.Contains(t, "activating twice", d.runs(1, security...), "RoleAssignmentExists")
	for name := range way.visits() {
		house.Equal(t, "the host that was called", name, hostPIM)
	}
}

// Without a second factor the role is refused, and the program says what the server said.
func TestDirectoryRoleWithoutSecondFactor(t *testing.T) {
	d := sit(t, sample.Someone(t, "gus"), false)
	house.Contains(t, "the list", d.runs(0, "list", "role"), "- Global Administrator")
	said := d.runs(1, "activate", "role", "--prefix", "bright", "--role", "Global Administrator")
	house.Contains(t, "the refusal", said, "RoleAssignmentRequestPolicyValidationFailed")
	house.Contains(t, "the refusal", said, "MfaRule")
}

// What an approver has to agree to waits: the program takes that for success.
func TestDirectoryRoleThatNeedsApproval(t *testing.T) {
	amira := sample.Someone(t, "amira")
	d := sit(t, amira, true)
	payroll := []string{"activate", "role", "--name", "Brightwater Foods", "--role", "Payroll Administrator", "--duration", "30"}
	said := d.runs(0, append(payroll, "--validate-only")...)
	if !strings.Contains(said, "request is pending") && !strings.Contains(said, "request was successful") {
		t.Errorf("validating: got %q, want a verdict that is good or pending", said)
	}
	house.Contains(t, "activating", d.runs(0, payroll...), "subStatus=PendingApproval")
	request := house.Rows(t, "requests", facts(t, amira, requestedRoles), 1)[0]
	house.Equal(t, "its state", request.Status, "PendingApproval")
	house.Equal(t, "its reason, the program's own", request.Justification, "config")
	house.Contains(t, "asking twice", d.runs(1, payroll...), "PendingRoleAssignmentRequest")
}

// Dan joins the night shift for a while.
func TestGroup(t *testing.T) {
	dan := sample.Someone(t, "dan")
	d := sit(t, dan, true)
	said := d.runs(0, "list", "group")
	house.Contains(t, "the list", said, "== Night Shift ==")
	house.Contains(t, "the list", said, "- Member")

	d.runs(1, "activate", "group", "--name", "Day Shift")
	house.Contains(t, "validating", d.runs(0, "activate", "group", "--name", "Night Shift", "--validate-only"), "request was successful")
	house.Contains(t, "activating", d.runs(0, "activate", "group", "--name", "Night Shift", "--duration", "90"), "request was successful")
	row := house.Rows(t, "activations", activated(facts(t, dan, activeGroups)), 1)[0]
	house.Equal(t, "its group", row.Group, sample.Groups["night-shift"].ID)
	house.Equal(t, "its side", row.Access, "member")
	house.Equal(t, "its length", row.End.Sub(row.Start), 90*time.Minute)
}

// Mia will own a group from tomorrow evening: the program writes that in local time.
func TestGroupLater(t *testing.T) {
	mia := sample.Someone(t, "mia")
	d := sit(t, mia, true)
	house.Contains(t, "the list", d.runs(0, "list", "group"), "- Owner")
	tomorrow := sample.Now().UTC().AddDate(0, 0, 1)
	said := d.runs(0, "activate", "group", "--prefix", "project", "--role", "owner", "--start-date", tomorrow.Format("02/01/2006"), "--start-time", "18:30")
	house.Contains(t, "planning", said, "subStatus=Granted")
	house.Rows(t, "activations", activated(facts(t, mia, activeGroups)), 0)
	house.Equal(t, "the state of the request", house.Rows(t, "requests", facts(t, mia, requestedGroup), 1)[0].Status, "Granted")
}

// Roles of resources go to Azure Resource Manager, in its words.
func TestResource(t *testing.T) {
	d := sit(t, sample.Someone(t, "sam"), true)
	way.visits()
	said := d.runs(0, "list", "resource")
	house.Contains(t, "the list", said, "== Web shop ==")
	house.Contains(t, "the list", said, "- Contributor")
	d.runs(1, "activate", "resource", "--name", "Web shop", "--role", "Owner")
	house.Contains(t, "validating", d.runs(0, "activate", "resource", "--name", "web SHOP", "--duration", "60", "--validate-only"), "request was successful")
	house.Contains(t, "activating", d.runs(0, "activate", "resource", "--prefix", "web", "--duration", "60"), "request was successful")
	house.Contains(t, "activating twice", d.runs(1, "activate", "resource", "--prefix", "web", "--duration", "60"), "RoleAssignmentExists")
	for name := range way.visits() {
		house.Equal(t, "the host that was called", name, hostResource)
	}
}

// Nobody who is not signed in gets anywhere.
func TestSignedOut(t *testing.T) {
	d := &desk{t, t.TempDir()}
	d.write("az", []byte(az), 0o700)
	way.visits()
	house.Contains(t, "the refusal", d.runs(1, "list", "role"), "az login")
	house.Equal(t, "hosts that were called", len(way.visits()), 0)
}
