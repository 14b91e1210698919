package storetest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// world is the small world that random commits are about: few names, so that they meet.
type world struct {
	tenants    []pim.TenantID
	principals []pim.PrincipalID
	roles      []pim.RoleID
	scopes     []pim.Scope
	nodes      []pim.Scope // of resources
	ids        []string
	start      time.Time
}

func newWorld(name string) world {
	return world{
		tenants:    []pim.TenantID{pim.TenantID(name + "-a"), pim.TenantID(name + "-b")},
		principals: []pim.PrincipalID{"alice", "bob", "group-1", "group-2", "group-3", "app"},
		roles:      []pim.RoleID{pim.GlobalAdministrator, "custom", "custom-2", pim.Member},
		scopes:     []pim.Scope{"/", pim.AdministrativeUnit("unit-1"), "/alice", "group-1"},
		nodes:      []pim.Scope{"/mg/a", "/mg/b", "/sub/s", "/sub/s/rg", "/sub/s/rg-1", "/sub/s/rg/x", "/sub/s/rg/Ä/y", "/sub/t"},
		ids:        []string{"id-1", "id-2", "id-3", "id-4", "id-5", "id-6"},
		start:      time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
	}
}

func pick[T any](t *rapid.T, from []T, what string) T { return rapid.SampledFrom(from).Draw(t, what) }

func (w world) id(t *rapid.T) string { return pick(t, w.ids, "id") }

func (w world) principal(t *rapid.T) pim.PrincipalID { return pick(t, w.principals, "principal") }

func (w world) key(t *rapid.T, tenant pim.TenantID) pim.Key {
	k := pim.Key{
		Tenant: tenant, Provider: pick(t, []pim.Provider{pim.Directory, pim.Directory, pim.Group, pim.Resource}, "provider"),
		Role: pick(t, w.roles, "role"), Principal: w.principal(t),
	}
	if k.Provider == pim.Resource {
		k.Scope = pick(t, append(w.nodes, "/"), "scope")
	} else {
		k.Scope = pick(t, w.scopes, "scope")
	}
	return k
}

// node draws a node at any place, circles included: a store follows what it has.
func (w world) node(t *rapid.T, tenant pim.TenantID) resource.Node {
	n := resource.Node{
		Tenant: tenant, Scope: pick(t, w.nodes, "scope"), ID: word(t), Kind: resource.Kind(rapid.IntRange(2, 5).Draw(t, "kind")),
		Parent: pick(t, append(w.nodes, "/", "/nowhere", ""), "parent"), Name: word(t), DisplayName: word(t), Type: word(t), Location: word(t),
		Created: w.instant(t), Modified: w.instant(t),
	}
	if rapid.Bool().Draw(t, "carries") {
		n.Tags = map[string]string{"a": word(t), word(t): "b"}
		n.Further = []byte(`{ "properties": {"a<b": [1, "\u0000"]} }`)
	}
	return n
}

func permissions(t *rapid.T) []rbac.Permission {
	return []rbac.Permission{
		{Actions: []string{"*", word(t)}, NotActions: []string{"a/b"}, DataActions: []string{"c"}, NotDataActions: []string{"d"}},
		{Actions: []string{"e"}, Condition: word(t), ConditionVersion: "2.0"},
	}
}

func (w world) denial(t *rapid.T, tenant pim.TenantID) store.Denial {
	return store.Denial{Tenant: tenant, Denial: rbac.Denial{
		ID: w.id(t), Scope: string(pick(t, append(w.nodes, "/"), "scope")), Name: word(t), Description: word(t),
		NotBelow: rapid.Bool().Draw(t, "not below"), Everybody: rapid.Bool().Draw(t, "everybody"),
		Principals: []rbac.Named{{ID: "alice", Type: "User"}, {ID: word(t)}}, Except: []rbac.Named{{ID: "bob"}}, Permissions: permissions(t),
		Condition: word(t), Audit: rapid.Bool().Draw(t, "audit"), Created: w.instant(t), Updated: w.instant(t), CreatedBy: word(t),
	}}
}

// words are texts that a store may trip over.
func words() []string {
	return []string{
		"", "a", "A", "b", "ab", "aB", "Straße", "STRASSE", "İstanbul", "%", "_", "a'b\"c", "ä", "Ä", "日本", "\U0010FFFF",
		"z\U0010FFFF", "\uD7FF", "\\", "$1", "{{rows}}", " a ",
	}
}

func word(t *rapid.T) string { return pick(t, words(), "word") }

// instant draws a time in any zone and to the nanosecond, sometimes none.
func (w world) instant(t *rapid.T) time.Time {
	n := rapid.IntRange(-3, 6).Draw(t, "hours")
	if n == -3 {
		return time.Time{}
	}
	at := w.start.Add(time.Duration(n)*time.Hour + time.Duration(rapid.IntRange(0, 2).Draw(t, "fine"))*700*time.Nanosecond)
	return at.In(time.FixedZone("somewhere", rapid.IntRange(-12, 14).Draw(t, "zone")*3600))
}

func duration(t *rapid.T) schedule.Duration {
	return pick(t, []schedule.Duration{{}, schedule.MustDuration("PT8H"), schedule.MustDuration("PT480M"), schedule.MustDuration("P1Y2M")}, "duration")
}

func recurrence(t *rapid.T) *schedule.Recurrence {
	if rapid.Bool().Draw(t, "once") {
		return nil
	}
	return &schedule.Recurrence{
		Pattern: schedule.Pattern{
			Type: schedule.Weekly, Interval: 2, DaysOfWeek: []time.Weekday{time.Sunday, time.Friday}, FirstDayOfWeek: time.Monday,
			Month: 3, DayOfMonth: 4, Index: schedule.Last,
		},
		Range: schedule.Range{
			Type: schedule.Numbered, StartDate: schedule.Date{Year: 2026, Month: 3, Day: 2}, TimeZone: "Europe/Berlin", Occurrences: 7,
			EndDate: schedule.Date{Year: 2027, Month: 1, Day: 1},
		},
	}
}

func (w world) actor(t *rapid.T) pim.Actor {
	return pim.Actor{
		Principal: w.principal(t), Kind: pim.UserPrincipal, Name: word(t), Account: word(t), Address: "192.0.2.1",
		Clock: rapid.Bool().Draw(t, "clock"),
	}
}

func ticket(t *rapid.T) pim.Ticket {
	return pim.Ticket{Number: word(t), System: word(t), Submitter: word(t)}
}

func (w world) request(t *rapid.T, k pim.Key) pim.Request {
	r := pim.Request{
		ID: pim.RequestID(w.id(t)), Key: k, Kind: pick(t, []pim.Kind{pim.Eligibility, pim.Assignment}, "kind"),
		Action: pick(t, []pim.Action{pim.AdminAssign, pim.SelfActivate}, "action"),
		Status: pim.Status(rapid.IntRange(1, 9).Draw(t, "status")),
		Asked: schedule.Info{Start: w.instant(t), Expiration: schedule.Expiration{
			Kind: schedule.AfterDuration, Duration: duration(t), End: w.instant(t)}, Recurrence: recurrence(t)},
		Start: w.instant(t), Justification: word(t), Ticket: ticket(t), By: w.actor(t), Created: w.instant(t),
		Completed: w.instant(t), Target: pim.ScheduleID(pick(t, append(w.ids, ""), "target")), Maximum: duration(t),
		Eligibility: pim.ScheduleID(pick(t, append(w.ids, ""), "eligibility")), PolicyVersion: int64(rapid.IntRange(0, 3).Draw(t, "version")),
		Due: w.instant(t), Condition: word(t),
	}
	if rapid.Bool().Draw(t, "approval") {
		r.Approval = &pim.Approval{Stages: []pim.Stage{
			{
				ID: "stage", Setting: stageSetting(t), Status: pim.InProgress, Opened: w.instant(t), Escalates: w.instant(t),
				Lapses: w.instant(t), Escalated: true, Decisions: []pim.Decision{
					{By: w.actor(t), At: w.instant(t), Approved: rapid.Bool().Draw(t, "approved"), Justification: word(t)},
				},
			},
			{ID: "next"},
		}}
	}
	return r
}

func stageSetting(t *rapid.T) policy.Stage {
	return policy.Stage{
		TimeoutDays: 3, NoApproverJustification: true, Escalation: true, EscalationMinutes: 5, Minimum: 2,
		Approvers: []policy.Approver{{Kind: policy.Group, ID: "group-1", Description: word(t), Backup: true}, {Kind: policy.RequestorManager}},
		Escalated: []policy.Approver{{Kind: policy.User, ID: "bob"}},
	}
}

func (w world) schedule(t *rapid.T, k pim.Key) pim.Schedule {
	s := pim.Schedule{
		ID: pim.ScheduleID(w.id(t)), Key: k, Kind: pick(t, []pim.Kind{pim.Eligibility, pim.Assignment}, "kind"), Type: pim.Assigned,
		Window:  schedule.Window{Start: w.instant(t), End: w.instant(t), Length: duration(t), Recurrence: recurrence(t)},
		Request: pim.RequestID(pick(t, append(w.ids, ""), "request")), Created: w.instant(t), Modified: w.instant(t),
		Open: rapid.Bool().Draw(t, "open"), Due: w.instant(t),
	}
	if rapid.IntRange(0, 3).Draw(t, "outside") == 0 {
		s.Condition, s.Description, s.CreatedBy, s.ModifiedBy = word(t), word(t), w.principal(t), w.principal(t)
	}
	if s.Window.Recurrence != nil {
		s.Window.Anchor = w.instant(t)
	}
	if s.Kind == pim.Assignment && rapid.Bool().Draw(t, "activated") {
		s.Type, s.Eligibility = pim.Activated, pim.ScheduleID(w.id(t))
		s.Via = pick(t, [][]pim.PrincipalID{nil, {"group-1"}, {"group-2", "group-1"}, {"group-1", "group-2"}}, "way")
	}
	if s.Ending = pim.Ending(rapid.IntRange(0, 4).Draw(t, "ending")); s.Ending != pim.NotEnded {
		s.Ended = w.start.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "ended")) * time.Hour)
	}
	return s
}

func (w world) effect(t *rapid.T, k pim.Key) pim.Effect {
	return pim.Effect{
		ID: w.id(t), Tenant: k.Tenant, Schedule: pim.ScheduleID(w.id(t)), Key: k, Door: word(t), Account: word(t), Privilege: word(t),
		Until: w.instant(t), State: pim.EffectState(rapid.IntRange(1, 4).Draw(t, "state")), Decided: w.instant(t), Due: w.instant(t),
		Attempts: rapid.IntRange(0, 3).Draw(t, "attempts"), Stuck: rapid.Bool().Draw(t, "stuck"), Problem: word(t),
		UsableAt: w.instant(t), GoneAt: w.instant(t),
	}
}

// entry draws an audit entry. Ids of events are never used twice but by mistake.
func (w world) entry(t *rapid.T, k pim.Key, n int) store.Entry {
	e := store.Entry{
		Event: pim.Event{
			ID: pim.EventID(fmt.Sprintf("event-%d", n)), Tenant: k.Tenant, At: w.instant(t),
			Activity: pim.Activity(rapid.IntRange(1, 20).Draw(t, "activity")), Success: rapid.Bool().Draw(t, "success"), Reason: word(t),
			By: w.actor(t), Request: pim.RequestID(pick(t, append(w.ids, ""), "request")), Action: pim.AdminAssign, Kind: pim.Eligibility,
			Key: k, Schedule: pim.ScheduleID(w.id(t)), RoleName: word(t), Start: w.instant(t), End: w.instant(t), Ticket: ticket(t),
			Principal: pim.Principal{ID: k.Principal, Kind: pim.UserPrincipal, Name: word(t), Enabled: true, Manager: "bob", Person: "p"},
			Details:   []string{"name", word(t)},
		},
		Canonical: []byte(word(t)),
	}
	e.Leaf[0] = byte(n)
	return e
}

func (w world) object(t *rapid.T, tenant pim.TenantID) directory.Object {
	o := directory.Object{
		Tenant: tenant, ID: pick(t, append(w.principals, "custom", "custom-2", "unit-1"), "object"), DisplayName: word(t), Description: word(t),
		Enabled: rapid.Bool().Draw(t, "enabled"), Created: w.instant(t), Modified: w.instant(t), ExternalID: word(t),
	}
	if rapid.IntRange(0, 3).Draw(t, "binned") == 0 {
		o.Deleted = w.instant(t)
	}
	switch o.ID {
	case "alice", "bob":
		o.Kind = directory.KindUser
		o.User = &directory.User{
			PrincipalName: pick(t, []string{"Alice@Example.com", "alice@example.com", "bob@example.com", ""}, "upn"), Mail: word(t),
			MailNickname: word(t), GivenName: word(t), BusinessPhones: []string{"1", "2"}, Type: "Member", EmployeeID: word(t), Manager: "bob",
		}
	case "app":
		o.Kind = directory.KindServicePrincipal
		o.App = &directory.App{
			ClientID: "client", Public: true, Redirects: []string{"https://a"}, LoopbackRedirects: true, Permissions: []string{"p"},
			Keys:   []directory.AppKey{{ID: "k", Name: "key", Certificate: []byte{0, 1}, Starts: start()}, {ID: "l"}},
			Trusts: []directory.Trust{{ID: "t", Name: "trust", Description: "text", Issuer: "https://i", Subject: "s", Audiences: []string{"a"}}},
		}
	case "custom":
		o.Kind = directory.KindRole
		o.Role = &directory.Role{TemplateID: "t", Version: "1", Enabled: rapid.Bool().Draw(t, "role enabled"), Actions: []string{"x/read"}, Condition: word(t)}
	case "custom-2":
		o.Kind = directory.KindResourceRole
		o.ResourceRole = &directory.ResourceRole{
			Assignable: []string{"/sub/s", word(t)}, Permissions: permissions(t), CreatedBy: "alice", UpdatedBy: word(t), Updated: w.instant(t),
		}
	case "unit-1":
		o.Kind = directory.KindAdministrativeUnit
	default:
		o.Kind = directory.KindGroup
		o.Group = &directory.Group{MailNickname: word(t), SecurityEnabled: true, Types: []string{"Unified"}, Visibility: "Private", RoleAssignable: true}
	}
	return o
}

func (w world) link(t *rapid.T, tenant pim.TenantID) directory.Link {
	l := directory.Link{
		Tenant: tenant, Relation: directory.MemberOf, Schedule: pim.ScheduleID(pick(t, []string{"", "id-1", "id-2"}, "schedule")),
		Window: schedule.Window{Start: w.instant(t), End: w.instant(t), Length: duration(t), Recurrence: recurrence(t)},
	}
	if l.Window.Recurrence != nil {
		l.Window.Anchor = w.instant(t)
	}
	l.From = pick(t, []pim.PrincipalID{"group-1", "group-2", "group-3"}, "group")
	l.To = pick(t, []pim.PrincipalID{"alice", "bob", "group-1", "group-2", "group-3"}, "member")
	if rapid.IntRange(0, 3).Draw(t, "unit") == 0 {
		l.Relation, l.From = directory.UnitMember, "unit-1"
	}
	return l
}

func (w world) policy(t *rapid.T, version int64) policy.Policy {
	p := policy.Policy{
		ID: word(t), Version: version, Modified: w.instant(t), ModifiedBy: word(t), ModifiedByName: word(t), Rules: policy.ForDirectoryRole(),
	}
	p.Rules.AdminAssignment.Notifications.Admins = policy.Notification{Level: policy.NotifyNone, NoDefaults: true, Recipients: []string{word(t)}}
	p.Rules.AdminAssignment.Expiration.Exceptions = []policy.UserSet{{Kind: policy.Group, ID: word(t)}}
	p.Rules.PIMOnly = policy.PIMOnly{Mode: policy.PIMOnlyReportOnly, Excluded: []policy.Excluded{{Kind: policy.ExcludedUser, ID: word(t)}}}
	p.Rules.Context = policy.Context{Enabled: true, Value: "c1"}
	p.Rules.Approval = policy.Approval{Required: true, RequiredForExtension: true, NoRequestorJustification: true, Mode: policy.Serial,
		Stages: []policy.Stage{stageSetting(t)}}
	return p
}

func (w world) credential(t *rapid.T, tenant pim.TenantID) directory.Credential {
	return directory.Credential{
		Tenant: tenant, Principal: w.principal(t), Password: word(t), MustChange: rapid.Bool().Draw(t, "change"), TOTPSecret: word(t),
		TOTPStep: int64(rapid.IntRange(0, 2).Draw(t, "step")), Failures: rapid.IntRange(0, 2).Draw(t, "failures"), LockedUntil: w.instant(t),
	}
}
