package azpimcli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// standIn does what az-pim-cli 1.14.0 does (reference pim-v2 §10, arm-pim §5): `list` and `activate` of `role`, `group` and `resource`. It
// returns the exit code.
func standIn(args []string) int {
	if len(args) < 2 {
		fmt.Println("list or activate, then role, group or resource")
		return 1
	}
	var w wish
	f := flag.NewFlagSet("az-pim-cli", flag.ContinueOnError)
	f.StringVar(&w.name, "name", "", "")
	f.StringVar(&w.prefix, "prefix", "", "")
	f.StringVar(&w.role, "role", "", "")
	f.IntVar(&w.minutes, "duration", 480, "")
	f.StringVar(&w.startDate, "start-date", "", "")
	f.StringVar(&w.startTime, "start-time", "", "")
	f.StringVar(&w.reason, "reason", "config", "")
	f.StringVar(&w.ticketSystem, "ticket-system", "", "")
	f.StringVar(&w.ticketNumber, "ticket-number", "", "")
	f.BoolVar(&w.dry, "dry-run", false, "")
	f.BoolVar(&w.validate, "validate-only", false, "")
	if err := f.Parse(args[2:]); err != nil {
		return 1
	}
	face := map[string]face{"role": governance{"aadroles"}, "group": governance{"aadGroups"}, "resource": resources{}}[args[1]]
	if face == nil {
		fmt.Println("there is no", args[1])
		return 1
	}
	if err := w.do(args[0], face); err != nil {
		fmt.Println("level=ERROR msg=" + err.Error())
		return 1
	}
	return 0
}

// wish is what the command line asks for.
type wish struct {
	name, prefix, role         string
	minutes                    int
	startDate, startTime       string
	reason                     string
	ticketSystem, ticketNumber string
	dry, validate              bool
}

// row is an eligibility, as far as the program looks at it.
type row struct {
	scope, role string
	// ask is the body with which it is activated, and at the address.
	address string
	ask     func(subject string, w wish, start any) any
}

// face is one of the two interfaces that the program speaks.
type face interface {
	audience() string
	rows(c caller) ([]row, error)
	// send asks for the activation, or whether it would be given, and returns the state.
	send(c caller, r row, body any, validate bool) (string, error)
}

func (w wish) do(verb string, f face) error {
	c, err := connect(f.audience())
	if err != nil {
		return err
	}
	rows, err := f.rows(c)
	if err != nil {
		return err
	}
	if verb == "list" {
		for _, r := range rows {
			fmt.Printf("== %s ==\n\t - %s\n", r.scope, r.role)
		}
		return nil
	}
	at := slices.IndexFunc(rows, w.means)
	if at < 0 {
		return errors.New("unable to find a role assignment matching the parameters")
	}
	start, err := w.start(time.Now())
	if err != nil {
		return err
	}
	if w.dry {
		fmt.Println("level=WARN msg=\"Skipping activation due to '--dry-run'\"")
		return nil
	}
	state, err := f.send(c, rows[at], rows[at].ask(c.subject, w, start), w.validate)
	if err != nil {
		return err
	}
	return judge(state, w.validate)
}

// means says whether the row is meant: by name or by its beginning, and by role where one is named.
func (w wish) means(r row) bool {
	scope := strings.ToLower(r.scope)
	if w.prefix != "" && !strings.HasPrefix(scope, strings.ToLower(w.prefix)) || w.prefix == "" && scope != strings.ToLower(w.name) {
		return false
	}
	return w.role == "" || strings.EqualFold(r.role, w.role)
}

// start is the time of day of a day, here, or null.
func (w wish) start(now time.Time) (any, error) {
	if w.startDate == "" && w.startTime == "" {
		return nil, nil
	}
	day := now
	if w.startDate != "" {
		var err error
		if day, err = time.ParseInLocation("02/01/2006", w.startDate, time.Local); err != nil {
			return nil, err
		}
	}
	day = time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.Local)
	if w.startTime != "" {
		clock, err := time.Parse("15:04", w.startTime)
		if err != nil {
			return nil, err
		}
		day = day.Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute)
	}
	return day.Format("2006-01-02T15:04:05-07:00"), nil
}

// judge is the program's verdict. On a real request it is said and no more.
func judge(state string, validate bool) error {
	switch {
	case slices.Contains([]string{"Accepted", "AdminApproved", "Granted", "Provisioned", "ProvisioningStarted", "ScheduleCreated"}, state):
		fmt.Println("level=INFO msg=\"The role assignment request was successful\" subStatus=" + state)
		return nil
	case strings.HasPrefix(state, "Pending"):
		fmt.Println("level=WARN msg=\"The role assignment request is pending\" subStatus=" + state)
		return nil
	case validate:
		return fmt.Errorf("the validation failed: %q", state)
	}
	fmt.Println("level=ERROR msg=\"The role assignment validation failed\" subStatus=" + state)
	return nil
}

// caller is who az has signed in.
type caller struct{ token, subject string }

// connect takes a token from az, and the caller's id from the token.
func connect(audience string) (caller, error) {
	credential, err := azidentity.NewAzureCLICredential(nil)
	if err != nil {
		return caller{}, err
	}
	token, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{audience}})
	if err != nil {
		return caller{}, err
	}
	parts := strings.Split(token.Token, ".")
	if len(parts) != 3 {
		return caller{}, errors.New("the token is no JWT")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return caller{}, err
	}
	var claims struct {
		Object string `json:"oid"`
	}
	return caller{token.Token, claims.Object}, json.Unmarshal(text, &claims)
}

// calls makes one call. Whatever is no refusal must be JSON.
func (c caller) calls(method, address string, query url.Values, body, into any) error {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(append(text, '\n'))
	}
	r, err := http.NewRequest(method, address, payload)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.URL.RawQuery = query.Encode()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("request failed with status %s: %s", answer.Status, text)
	}
	return json.Unmarshal(text, into)
}

// governance is the second iteration at its own host, by provider.
type governance struct{ provider string }

func (governance) audience() string { return forPIM }

func (g governance) address(set string) string {
	return "https://" + hostPIM + "/api/v2/privilegedAccess/" + g.provider + "/" + set
}

func (g governance) rows(c caller) ([]row, error) {
	var list struct {
		Value []struct {
			ID               string `json:"id"`
			ResourceID       string `json:"resourceId"`
			RoleDefinitionID string `json:"roleDefinitionId"`
			RoleDefinition   struct {
				DisplayName string `json:"displayName"`
				Resource    struct {
					DisplayName string `json:"displayName"`
				} `json:"resource"`
			} `json:"roleDefinition"`
		} `json:"value"`
	}
	err := c.calls(http.MethodGet, g.address("roleAssignments"), url.Values{
		"$expand": {"linkedEligibleRoleAssignment,subject,scopedResource,roleDefinition($expand=resource)"},
		"$filter": {"(subject/id eq '" + c.subject + "') and (assignmentState eq 'Eligible')"},
	}, nil, &list)
	var rows []row
	for _, a := range list.Value {
		rows = append(rows, row{a.RoleDefinition.Resource.DisplayName, a.RoleDefinition.DisplayName, "", func(subject string, w wish, start any) any {
			return governanceRequest{a.RoleDefinitionID, a.ResourceID, subject, "Active", "UserAdd", w.reason, w.ticketNumber, w.ticketSystem,
				governanceSchedule{"Once", start, nil, fmt.Sprintf("PT%dM", w.minutes)}, a.ID, ""}
		}})
	}
	return rows, err
}

// governanceRequest is the body, its members in the program's order.
type governanceRequest struct {
	RoleDefinitionID               string             `json:"roleDefinitionId"`
	ResourceID                     string             `json:"resourceId"`
	SubjectID                      string             `json:"subjectId"`
	AssignmentState                string             `json:"assignmentState"`
	Type                           string             `json:"type"`
	Reason                         string             `json:"reason"`
	TicketNumber                   string             `json:"ticketNumber"`
	TicketSystem                   string             `json:"ticketSystem"`
	Schedule                       governanceSchedule `json:"schedule"`
	LinkedEligibleRoleAssignmentID string             `json:"linkedEligibleRoleAssignmentId"`
	ScopedResourceID               string             `json:"scopedResourceId"`
}

type governanceSchedule struct {
	Type          string `json:"type"`
	StartDateTime any    `json:"startDateTime"`
	EndDateTime   any    `json:"endDateTime"`
	Duration      string `json:"duration"`
}

// governanceAnswer is the answer in the types that the program reads it into.
type governanceAnswer struct {
	ID                             string             `json:"id"`
	ResourceID                     string             `json:"resourceId"`
	RoleDefinitionID               string             `json:"roleDefinitionId"`
	SubjectID                      string             `json:"subjectId"`
	ScopedResourceID               string             `json:"scopedResourceId"`
	LinkedEligibleRoleAssignmentID string             `json:"linkedEligibleRoleAssignmentId"`
	Type                           string             `json:"type"`
	AssignmentState                string             `json:"assignmentState"`
	RequestedDateTime              string             `json:"requestedDateTime"`
	RoleAssignmentStartDateTime    string             `json:"roleAssignmentStartDateTime"`
	RoleAssignmentEndDateTime      string             `json:"roleAssignmentEndDateTime"`
	Reason                         string             `json:"reason"`
	TicketNumber                   string             `json:"ticketNumber"`
	TicketSystem                   string             `json:"ticketSystem"`
	Condition                      string             `json:"condition"`
	ConditionVersion               string             `json:"conditionVersion"`
	ConditionDescription           string             `json:"conditionDescription"`
	Schedule                       governanceSchedule `json:"schedule"`
	Metadata                       map[string]any     `json:"metadata"`
	Status                         struct {
		Status        string              `json:"status"`
		SubStatus     string              `json:"subStatus"`
		StatusDetails []map[string]string `json:"statusDetails"`
	} `json:"status"`
}

func (g governance) send(c caller, _ row, body any, validate bool) (string, error) {
	query := url.Values{}
	if validate {
		query.Set("evaluateOnly", "true")
	}
	var answer governanceAnswer
	err := c.calls(http.MethodPost, g.address("roleAssignmentRequests"), query, body, &answer)
	return answer.Status.SubStatus, err
}

// resources is Azure Resource Manager.
type resources struct{}

func (resources) audience() string { return forResource }

// base is what every address below a scope goes on with.
const base = "/providers/Microsoft.Authorization/"

func version() url.Values { return url.Values{"api-version": {"2020-10-01"}} }

func (resources) rows(c caller) ([]row, error) {
	type named struct {
		ID          string `json:"id"`
		DisplayName string `json:"displayName"`
	}
	var list struct {
		Value []struct {
			Properties struct {
				Schedule string `json:"roleEligibilityScheduleId"`
				Expanded struct {
					Scope named `json:"scope"`
					Role  named `json:"roleDefinition"`
				} `json:"expandedProperties"`
			} `json:"properties"`
		} `json:"value"`
	}
	query := version()
	query.Set("$filter", "asTarget()")
	err := c.calls(http.MethodGet, "https://"+hostResource+base+"roleEligibilityScheduleInstances", query, nil, &list)
	var rows []row
	for _, a := range list.Value {
		at := a.Properties.Expanded
		rows = append(rows, row{at.Scope.DisplayName, at.Role.DisplayName, "https://" + hostResource + "/" + at.Scope.ID[1:] + base + "roleAssignmentScheduleRequests/", func(subject string, w wish, start any) any {
			return resourceRequest{resourceProperties{subject, at.Role.ID, "SelfActivate", a.Properties.Schedule, w.reason,
				resourceSchedule{start, resourceExpiration{"AfterDuration", fmt.Sprintf("PT%dM", w.minutes)}, nil},
				resourceTicket{w.ticketNumber, w.ticketSystem}, w.validate, true}}
		}})
	}
	return rows, err
}

type resourceRequest struct {
	Properties resourceProperties `json:"Properties"`
}

type resourceProperties struct {
	PrincipalID      string           `json:"PrincipalId"`
	RoleDefinitionID string           `json:"RoleDefinitionId"`
	RequestType      string           `json:"RequestType"`
	Linked           string           `json:"LinkedRoleEligibilityScheduleId"`
	Justification    string           `json:"Justification"`
	ScheduleInfo     resourceSchedule `json:"ScheduleInfo"`
	TicketInfo       resourceTicket   `json:"TicketInfo"`
	ValidationOnly   bool             `json:"IsValidationOnly"`
	Activation       bool             `json:"IsActivativation"`
}

type resourceSchedule struct {
	StartDateTime any                `json:"startDateTime"`
	Expiration    resourceExpiration `json:"expiration"`
	EndDateTime   any                `json:"endDateTime"`
}

type resourceExpiration struct {
	Type     string `json:"type"`
	Duration string `json:"duration"`
}

type resourceTicket struct {
	TicketNumber string `json:"ticketNumber"`
	TicketSystem string `json:"ticketSystem"`
}

func (resources) send(c caller, r row, body any, validate bool) (string, error) {
	var answer struct {
		Properties struct {
			Status string `json:"status"`
		} `json:"properties"`
	}
	method, address := http.MethodPut, r.address+newID()
	if validate {
		method, address = http.MethodPost, address+"/validate"
	}
	err := c.calls(method, address, version(), body, &answer)
	return answer.Properties.Status, err
}

// newID is a random UUID (RFC 9562, version 4).
func newID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
