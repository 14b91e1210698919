package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// The struct forms of the rows that are written by hand: what encoding/json makes of them is what the writers must.
type (
	baseForm struct {
		PrincipalID *string `json:"principalId"`
		RoleID      *string `json:"roleDefinitionId"`
		Scope       *string `json:"directoryScopeId"`
		AppScope    *string `json:"appScopeId"`
	}
	scheduleForm struct {
		ID *string `json:"id"`
		baseForm
		CreatedUsing   *string  `json:"createdUsing"`
		Created        *string  `json:"createdDateTime"`
		Modified       *string  `json:"modifiedDateTime"`
		Status         string   `json:"status"`
		Info           infoForm `json:"scheduleInfo"`
		MemberType     string   `json:"memberType"`
		AssignmentType string   `json:"assignmentType,omitempty"`
	}
	instanceForm struct {
		ID string `json:"id"`
		baseForm
		Start          *string `json:"startDateTime"`
		End            *string `json:"endDateTime"`
		AssignmentType string  `json:"assignmentType,omitempty"`
		MemberType     string  `json:"memberType"`
		Origin         string  `json:"roleAssignmentOriginId,omitempty"`
		Assignment     string  `json:"roleAssignmentScheduleId,omitempty"`
		Eligibility    string  `json:"roleEligibilityScheduleId,omitempty"`
	}
	infoForm struct {
		Start      *string             `json:"startDateTime"`
		Recurrence *wire.RecurrenceOut `json:"recurrence"`
		Expiration expirationForm      `json:"expiration"`
	}
	expirationForm struct {
		Type     string  `json:"type"`
		End      *string `json:"endDateTime"`
		Duration *string `json:"duration"`
	}
	requestForm struct {
		ID         *string `json:"id"`
		Status     string  `json:"status"`
		Created    *string `json:"createdDateTime"`
		Completed  *string `json:"completedDateTime"`
		ApprovalID *string `json:"approvalId"`
		CustomData *string `json:"customData"`
		Action     *string `json:"action"`
		baseForm
		Validation    bool       `json:"isValidationOnly"`
		Target        *string    `json:"targetScheduleId"`
		Justification *string    `json:"justification"`
		CreatedBy     setForm    `json:"createdBy"`
		Info          *infoForm  `json:"scheduleInfo"`
		Ticket        ticketForm `json:"ticketInfo"`
	}
	setForm struct {
		Application *identityForm `json:"application"`
		Device      *identityForm `json:"device"`
		User        *identityForm `json:"user"`
	}
	identityForm struct {
		Name *string `json:"displayName"`
		ID   *string `json:"id"`
	}
	ticketForm struct {
		Number *string `json:"ticketNumber"`
		System *string `json:"ticketSystem"`
	}
	assignmentForm struct {
		ID string `json:"id"`
		baseForm
		Organization *string `json:"principalOrganizationId"`
		Condition    *string `json:"condition"`
	}
	userForm struct {
		ID                string   `json:"id"`
		BusinessPhones    []string `json:"businessPhones"`
		DisplayName       *string  `json:"displayName"`
		GivenName         *string  `json:"givenName"`
		JobTitle          *string  `json:"jobTitle"`
		Mail              *string  `json:"mail"`
		MobilePhone       *string  `json:"mobilePhone"`
		OfficeLocation    *string  `json:"officeLocation"`
		PreferredLanguage *string  `json:"preferredLanguage"`
		Surname           *string  `json:"surname"`
		PrincipalName     *string  `json:"userPrincipalName"`
	}
)

func timeForm(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format("2006-01-02T15:04:05.999999Z")
	return &s
}

func infoFormOf(in schedule.Info) infoForm {
	f := infoForm{Start: timeForm(in.Start), Expiration: expirationForm{
		in.Expiration.Kind.String(), timeForm(in.Expiration.End), wire.Optional(in.Expiration.Duration.String()),
	}}
	if in.Recurrence != nil {
		r := wire.FromRecurrence(*in.Recurrence)
		f.Recurrence = &r
	}
	return f
}

func baseFormOf(p pim.PrincipalID, r pim.RoleID, s pim.Scope) baseForm {
	return baseForm{PrincipalID: wire.Optional(string(p)), RoleID: wire.Optional(string(r)), Scope: wire.Optional(string(s))}
}

func scheduleFormOf(now time.Time, i pim.Instance) scheduleForm {
	s := i.Schedule
	f := scheduleForm{
		ID: wire.Optional(scheduleID(i)), baseForm: baseFormOf(i.Principal, s.Key.Role, s.Key.Scope), CreatedUsing: wire.Optional(string(s.Request)),
		Status: scheduleStatus(now, s), Info: infoFormOf(infoOf(s.Window)), MemberType: memberType(i),
	}
	if s.Request != "" {
		f.Created, f.Modified = timeForm(s.Created), timeForm(s.Modified)
	}
	if s.Kind == pim.Assignment {
		f.AssignmentType = assignmentType(i)
	}
	return f
}

func instanceFormOf(i pim.Instance) instanceForm {
	s := i.Schedule
	start, end := period(i)
	f := instanceForm{ID: grantID(i), baseForm: baseFormOf(i.Principal, s.Key.Role, s.Key.Scope), Start: timeForm(start), End: timeForm(end), MemberType: memberType(i)}
	if s.Kind == pim.Assignment {
		f.AssignmentType, f.Origin, f.Assignment = assignmentType(i), f.ID, scheduleID(i)
	} else {
		f.Eligibility = scheduleID(i)
	}
	return f
}

func requestFormOf(r requestRow) requestForm {
	f := requestForm{
		ID: wire.Optional(string(r.ID)), Status: r.status(), Created: timeForm(r.Created), Completed: timeForm(r.completed()),
		ApprovalID: wire.Optional(r.approvalID()), Action: wire.Optional(wire.ActionName(r.Action)), baseForm: baseFormOf(r.Key.Principal, r.Key.Role, r.Key.Scope),
		Validation: r.validated, Target: wire.Optional(r.target()), Justification: wire.Optional(r.Justification),
		Ticket: ticketForm{wire.Optional(r.Ticket.Number), wire.Optional(r.Ticket.System)},
	}
	if !wire.Removal(r.Action) {
		info := infoFormOf(r.asked())
		f.Info = &info
	}
	id := &identityForm{ID: wire.Optional(string(r.By.Principal))}
	if r.By.Kind == pim.ServicePrincipal {
		f.CreatedBy.Application = id
	} else {
		f.CreatedBy.User = id
	}
	return f
}

func userFormOf(o directory.Object) userForm {
	u := o.User
	phones := u.BusinessPhones
	if phones == nil {
		phones = []string{}
	}
	return userForm{string(o.ID), phones, wire.Optional(o.DisplayName), wire.Optional(u.GivenName), wire.Optional(u.JobTitle), wire.Optional(u.Mail),
		wire.Optional(u.MobilePhone), wire.Optional(u.OfficeLocation), wire.Optional(u.PreferredLanguage), wire.Optional(u.Surname), wire.Optional(u.PrincipalName)}
}

// draws of what rows are made of.
type draw struct{ *rapid.T }

func (d draw) text(name string) string {
	return rapid.SampledFrom([]string{"", "a", `"\` + "\n<&>", "Zoë 😀\u2028", "x@y"}).Draw(d.T, name)
}

func (d draw) guid(name string) string {
	return guidText(rapid.SliceOfN(rapid.Byte(), guidBytes, guidBytes).Draw(d.T, name))
}

func (d draw) time(name string) time.Time {
	if rapid.Bool().Draw(d.T, name+" none") {
		return time.Time{}
	}
	return time.UnixMicro(rapid.Int64Range(1e15, 4e15).Draw(d.T, name)).UTC()
}

func (d draw) scope() pim.Scope {
	return rapid.SampledFrom([]pim.Scope{"/", pim.AdministrativeUnit(d.guid("unit")), pim.Scope("/" + d.guid("object"))}).Draw(d.T, "scope")
}

func (d draw) info() schedule.Info {
	in := schedule.Info{Start: d.time("start"), Expiration: schedule.Expiration{Kind: schedule.ExpirationKind(rapid.IntRange(0, 3).Draw(d.T, "kind")), End: d.time("end")}}
	if rapid.Bool().Draw(d.T, "duration") {
		in.Expiration.Duration = schedule.MustDuration("P2W6DT1H")
	}
	if rapid.Bool().Draw(d.T, "recurs") {
		in.Recurrence = &schedule.Recurrence{
			Pattern: schedule.Pattern{Type: schedule.Weekly, Interval: 1, DaysOfWeek: []time.Weekday{time.Monday}},
			Range:   schedule.Range{Type: schedule.NoEnd, StartDate: schedule.Date{Year: 2026, Month: 3, Day: 2}, TimeZone: d.text("zone")},
		}
	}
	return in
}

func (d draw) key() pim.Key {
	return pim.Key{Tenant: "t", Provider: pim.Directory, Scope: d.scope(), Role: pim.RoleID(d.guid("role")), Principal: pim.PrincipalID(d.guid("principal"))}
}

func (d draw) instance() pim.Instance {
	in := d.info()
	s := pim.Schedule{
		ID: pim.ScheduleID(d.guid("id")), Key: d.key(), Kind: pim.Kind(rapid.IntRange(1, 2).Draw(d.T, "kind")),
		Type:    pim.AssignmentType(rapid.IntRange(1, 2).Draw(d.T, "type")),
		Window:  schedule.Window{Start: in.Start, End: in.Expiration.End, Recurrence: in.Recurrence, Length: in.Expiration.Duration},
		Request: pim.RequestID(rapid.SampledFrom([]string{"", d.guid("request")}).Draw(d.T, "made")), Created: d.time("created"), Modified: d.time("modified"),
	}
	return pim.Instance{Schedule: s, Principal: pim.PrincipalID(d.guid("member")), Member: pim.MemberType(rapid.IntRange(1, 2).Draw(d.T, "member type")),
		During: schedule.Interval{Start: d.time("from"), End: d.time("until")}}
}

func (d draw) request() requestRow {
	r := pim.Request{
		ID: pim.RequestID(d.guid("id")), Key: d.key(), Kind: pim.Kind(rapid.IntRange(1, 2).Draw(d.T, "kind")),
		Action: pim.Action(rapid.IntRange(1, 9).Draw(d.T, "action")), Status: pim.Status(rapid.IntRange(1, 9).Draw(d.T, "status")),
		Asked: d.info(), Start: d.time("started"), Justification: d.text("why"), Created: d.time("created"), Completed: d.time("completed"),
		Ticket: pim.Ticket{Number: d.text("number"), System: d.text("system")}, Target: pim.ScheduleID(d.guid("target")),
		By: pim.Actor{Principal: pim.PrincipalID(d.guid("by")), Kind: pim.PrincipalKind(rapid.SampledFrom([]int{1, 3}).Draw(d.T, "by kind"))},
	}
	if rapid.Bool().Draw(d.T, "approval") {
		r.Approval = &pim.Approval{}
	}
	return requestRow{r, rapid.Bool().Draw(d.T, "validated")}
}

func (d draw) user() directory.Object {
	return directory.Object{ID: pim.PrincipalID(d.guid("id")), Kind: directory.KindUser, DisplayName: d.text("name"), User: &directory.User{
		PrincipalName: d.text("upn"), Mail: d.text("mail"), GivenName: d.text("given"), Surname: d.text("surname"), JobTitle: d.text("title"),
		BusinessPhones: rapid.SliceOfN(rapid.Just("+1"), 0, 2).Draw(d.T, "phones"),
	}}
}

// testCall is a call without a server.
func testCall() *call {
	s := New(nil, nil, nil)
	r := httptest.NewRequest(http.MethodGet, "https://pim.example.com/v1.0/x", nil)
	return &call{Call: listing.Call{Request: &api.Request{Request: r, Sent: r.URL, Origin: "https://pim.example.com", Tenant: "t"}, Root: "/v1.0"}, Surface: s, kinds: s.kinds[0],
		now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
}

// TestRowsAreWrittenAsStructsWouldBe: the writers without reflection say what encoding/json says of the struct forms.
func TestRowsAreWrittenAsStructsWouldBe(t *testing.T) {
	c := testCall()
	rapid.Check(t, func(t *rapid.T) {
		d := draw{t}
		i := d.instance()
		if i.Schedule.Kind == pim.Assignment {
			same(t, c, &c.assignmentSchedule, i, scheduleFormOf(c.now, i))
			same(t, c, &c.assignmentInstance, i, instanceFormOf(i))
			same(t, c, &c.roleAssignment, i, assignmentForm{grantID(i), baseFormOf(i.Principal, i.Schedule.Key.Role, i.Schedule.Key.Scope), wire.Optional("t"), nil})
		} else {
			same(t, c, &c.eligibilitySchedule, i, scheduleFormOf(c.now, i))
			same(t, c, &c.eligibilityInstance, i, instanceFormOf(i))
		}
		r := d.request()
		same(t, c, &c.assignmentRequest, r, requestFormOf(r))
		u := d.user()
		same(t, c, &c.user, u, userFormOf(u))
	})
}

func same[T any](t *rapid.T, c *call, k *kind[T], row T, form any) {
	t.Helper()
	rows, err := listing.Encode(c, k, odata.Query{}, false, []T{row})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(rows[0]), string(wire.MustJSON(form)); got != want {
		t.Fatalf("%s (-want +got):\n%s", k.Set, cmp.Diff(want, got))
	}
}

// TestSelectionLeavesTheRestOut: what is selected, and the id, is there; nothing else is.
func TestSelectionLeavesTheRestOut(t *testing.T) {
	c := testCall()
	rapid.Check(t, func(t *rapid.T) {
		row := draw{t}.request()
		var names []string
		for _, p := range c.assignmentRequest.Schema.Properties {
			if p.Name != "principal" && p.Name != "roleDefinition" && rapid.Bool().Draw(t, p.Name) {
				names = append(names, p.Name)
			}
		}
		rows, err := listing.Encode(c, &c.assignmentRequest, odata.Query{Select: names}, false, []requestRow{row})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(rows[0], &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{"id": true}
		for _, n := range names {
			want[n] = true
		}
		if len(names) > 0 && len(got) != len(want) {
			t.Fatalf("selected %v: got %s", names, rows[0])
		}
		for n := range want {
			if _, ok := got[n]; !ok {
				t.Fatalf("selected %s: got %s", n, rows[0])
			}
		}
	})
}

// BenchmarkPage writes a page of 999 instances, by hand and with encoding/json.
func BenchmarkPage(b *testing.B) {
	c := testCall()
	rows := make([]pim.Instance, 999)
	for i := range rows {
		id := fmt.Sprintf("5c3e0000-0000-4000-8000-%012d", i)
		rows[i] = pim.Instance{Principal: pim.PrincipalID(id), Member: pim.Direct, During: schedule.Interval{Start: c.now, End: c.now.Add(time.Hour)},
			Schedule: pim.Schedule{ID: pim.ScheduleID(id), Kind: pim.Assignment, Type: pim.Assigned, Request: pim.RequestID(id),
				Key: pim.Key{Role: pim.GlobalReader, Scope: "/", Principal: pim.PrincipalID(id)}}}
	}
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			if _, err := listing.Finish(c, &c.assignmentInstance, odata.Query{}, listing.Page[pim.Instance]{Rows: rows, Total: -1}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		for b.Loop() {
			forms := make([]instanceForm, len(rows))
			for i, r := range rows {
				forms[i] = instanceFormOf(r)
			}
			var out bytes.Buffer
			if err := json.NewEncoder(&out).Encode(map[string]any{"value": forms}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
