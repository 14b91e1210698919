package graph

import (
	"slices"
	"strings"

	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// auditName is one activity name of the audit log with the events that are called so: the one table by which events get
// their names, and names find their events.
type auditName struct {
	name      string
	operation string
	// category is that of changes of the directory, which another service than PIM logs; empty: PIM logs it, and the
	// provider of what it is about says which category it is in.
	category string
	called   []calledSo
	// left says that the name takes what the names before it leave.
	left bool
}

// calledSo is a set of events. What is zero is not looked at.
type calledSo struct {
	activities []pim.Activity
	actions    []pim.Action
	kind       pim.Kind
	lasts      lasting
	side       side
	// detail is the first fact told, name and value; with a blank at its end it is the name alone.
	detail  string
	subject pim.PrincipalKind
}

// lasting says whether what an event tells of has an end.
type lasting int

const (
	eitherWay lasting = iota
	permanent
	timebound
)

func (l lasting) String() string {
	if l == permanent {
		return "permanent"
	}
	return "timebound"
}

// side tells the sides of groups from roles.
type side int

const (
	anySide side = iota
	ofRoles
	ofMembers
	ofOwners
)

// pimService and coreService are who logs.
const (
	pimService  = "PIM"
	coreService = "Core Directory"
	// clockName is who acts where nobody did: time.
	clockName = "MS-PIM"
)

func (n auditName) service() string {
	if n.category != "" {
		return coreService
	}
	return pimService
}

// auditNames is the table (reference graph-pim §16). Of several names that fit an event the first is its own; only those
// that take what is left overlap with others. Others store these names: they may only be added to.
func auditNames() []auditName {
	return slices.Concat(grantNames(pim.Eligibility, "eligible member"), grantNames(pim.Assignment, "member"),
		activationNames(), outsideNames(), directoryNames(), otherNames())
}

// ask are the activities of an ask's own entry, taken or refused.
func ask() []pim.Activity { return []pim.Activity{pim.Requested, pim.Refused} }

// void are the activities of requests that came to nothing.
func void() []pim.Activity {
	return []pim.Activity{pim.CanceledRequest, pim.LapsedRequest, pim.FailedRequest}
}

func only(a ...pim.Activity) []pim.Activity { return a }

// grantNames are the names of what administrators give and take, and of what people ask administrators for.
func grantNames(k pim.Kind, who string) []auditName {
	operation := "CreateRequestGrantedRole"
	if k == pim.Eligibility {
		operation = "CreateRequestEligibleRole"
	}
	var out []auditName
	add := func(name, operation string, called ...calledSo) {
		for i := range called {
			called[i].kind = k
		}
		out = append(out, auditName{name: name, operation: operation, called: called})
	}
	for _, l := range []lasting{permanent, timebound} {
		suffix := " (" + l.String() + ")"
		given := []pim.Action{pim.AdminAssign, pim.AdminUpdate}
		add("Add "+who+" to role in PIM requested"+suffix, operation, calledSo{activities: ask(), actions: given, lasts: l})
		add("Add "+who+" to role in PIM completed"+suffix, operation, calledSo{activities: only(pim.CompletedRequest), lasts: l,
			actions: append(given, pim.AdminExtend, pim.AdminRenew)})
		add("Add "+who+" to role in PIM canceled"+suffix, "Cancel", calledSo{activities: void(), actions: given, lasts: l})
		add("Remove "+who+" from role in PIM requested"+suffix, "Remove", calledSo{activities: ask(), actions: []pim.Action{pim.AdminRemove}, lasts: l})
		add("Remove "+who+" from role in PIM completed"+suffix, "Remove",
			calledSo{activities: only(pim.CompletedRequest), actions: []pim.Action{pim.AdminRemove}, lasts: l},
			calledSo{activities: only(pim.Ended), actions: []pim.Action{pim.AdminAssign}, lasts: l})
	}
	renew, extend := []pim.Action{pim.AdminRenew, pim.SelfRenew}, []pim.Action{pim.AdminExtend, pim.SelfExtend}
	add("Add "+who+" to role in PIM requested (renew)", operation, calledSo{activities: ask(), actions: renew})
	add("Add "+who+" to role in PIM canceled (renew)", "Cancel", calledSo{activities: void(), actions: renew})
	add("Update "+who+" in PIM requested (extend)", "Update", calledSo{activities: ask(), actions: extend})
	add("Update "+who+" in PIM canceled (extend)", "Cancel", calledSo{activities: void(), actions: extend})
	return out
}

// activationNames are the names of what people do with what they are eligible for, and of the answers to what they asked.
func activationNames() []auditName {
	activate, deactivate := []pim.Action{pim.SelfActivate}, []pim.Action{pim.SelfDeactivate}
	asked := []pim.Action{pim.SelfExtend, pim.SelfRenew}
	one := func(name, operation string, actions []pim.Action, activities ...pim.Activity) auditName {
		return auditName{name: name, operation: operation, called: []calledSo{{activities: activities, actions: actions}}}
	}
	return []auditName{
		one("Add member to role requested (PIM activation)", "Activate", activate, ask()...),
		one("Add member to role approval requested (PIM activation)", "Activate", activate, pim.ApprovalRequested, pim.EscalatedApproval),
		one("Add member to role request approved (PIM activation)", "Approve", activate, pim.Approved),
		one("Add member to role request denied (PIM activation)", "Deny", activate, pim.DeniedByApprover),
		one("Add member to role completed (PIM activation)", "Activate", activate, pim.CompletedRequest),
		one("Add member to role canceled (PIM activation)", "Cancel", activate, pim.CanceledRequest, pim.FailedRequest),
		one("PIM activation request expired", "Expire", activate, pim.LapsedRequest),
		one("Remove member from role requested (PIM deactivate)", "Deactivate", deactivate, ask()...),
		one("Remove member from role completed (PIM deactivate)", "Deactivate", deactivate, pim.CompletedRequest),
		one("Remove member from role (PIM activation expired)", "Expire", activate, pim.Ended),
		one("Update member in PIM approved by admin (extend/renew)", "Approve", asked, pim.Approved),
		one("Update member in PIM denied by admin (extend/renew)", "Deny", asked, pim.DeniedByApprover),
	}
}

// outsideNames are the names of what is given and taken as writing to the directory does. Members and owners of groups are
// the directory's own.
func outsideNames() []auditName {
	give, take := []pim.Action{pim.AssignOutside}, []pim.Action{pim.RemoveOutside}
	called := func(what pim.Activity, actions []pim.Action, s side) []calledSo {
		return []calledSo{{activities: only(what), side: s}, {activities: only(pim.Refused), actions: actions, side: s}}
	}
	return []auditName{
		{name: "Add member to role outside of PIM (permanent)", operation: "Add", called: called(pim.AssignedOutside, give, ofRoles)},
		{name: "Update role assignment outside of PIM", operation: "Update", called: []calledSo{{activities: only(pim.ChangedOutside)}}},
		{name: "Remove permanent direct role assignment", operation: "Remove", called: called(pim.RemovedOutside, take, ofRoles)},
		{name: "Add member to group", operation: "Add", category: "GroupManagement", called: called(pim.AssignedOutside, give, ofMembers)},
		{name: "Remove member from group", operation: "Remove", category: "GroupManagement", called: called(pim.RemovedOutside, take, ofMembers)},
		{name: "Add owner to group", operation: "Add", category: "GroupManagement", called: called(pim.AssignedOutside, give, ofOwners)},
		{name: "Remove owner from group", operation: "Remove", category: "GroupManagement", called: called(pim.RemovedOutside, take, ofOwners)},
	}
}

// directoryNames are the names of changes of the directory, by the first fact that their events tell.
func directoryNames() []auditName {
	var out []auditName
	for _, thing := range []struct {
		word, name, category string
		subject              pim.PrincipalKind
	}{
		{"user", "user", "UserManagement", pim.UserPrincipal},
		{"group", "group", "GroupManagement", pim.GroupPrincipal},
		{"application", "service principal", "ApplicationManagement", pim.ServicePrincipal},
		{"unit", "administrative unit", "AdministrativeUnit", 0},
		{"role", "role definition", "RoleManagement", 0},
		{"denial", "deny assignment", "RoleManagement", 0},
	} {
		for _, deed := range []struct{ word, name, operation string }{
			{"created", "Add", "Add"}, {"changed", "Update", "Update"}, {"deleted", "Delete", "Delete"},
			{"restored", "Restore", "Update"}, {"purged", "Hard delete", "Delete"},
		} {
			n := auditName{name: deed.name + " " + thing.name, operation: deed.operation, category: thing.category,
				called: []calledSo{{activities: only(pim.DirectoryChanged), detail: thing.word + " " + deed.word}}}
			if deed.word == "created" && thing.subject != 0 { // what an import brings
				n.called = append(n.called, calledSo{activities: only(pim.DirectoryChanged), detail: "object ", subject: thing.subject})
			}
			out = append(out, n)
		}
	}
	return out
}

// otherNames are the names of the rest, the last ones for what no other name fits. Some are our own, for the service has
// none: see docs/divergences-graph.md.
func otherNames() []auditName {
	one := func(name, operation string, activities []pim.Activity, actions ...pim.Action) auditName {
		return auditName{name: name, operation: operation, called: []calledSo{{activities: activities, actions: actions}}}
	}
	return []auditName{
		one("Update role setting in PIM", "Update", only(pim.PolicyChanged)),
		one("Onboarded resource to PIM", "Add", only(pim.TenantCreated)),
		one("Cancel request", "Cancel", only(pim.Refused), pim.Cancel),
		one("Process role removal request", "Remove", only(pim.Refused), pim.Depart),
		one("Process role update request", "Update", only(pim.Started)),
		one("Member in PIM about to expire", "Notify", only(pim.EndIsNear)),
		one("Access opened on target by PIM", "Add", only(pim.DoorOpened)),
		one("Access closed on target by PIM", "Remove", only(pim.DoorClosed)),
		one("Access on targets brought in line by PIM", "Update", only(pim.DoorsAligned)),
		one("Access on target cannot be changed by PIM", "Update", only(pim.DoorStuck)),
		one("Mail cannot be sent by PIM", "Notify", only(pim.MailStuck)),
		{name: "Update directory", operation: "Update", category: "DirectoryManagement",
			called: []calledSo{{activities: only(pim.DirectoryChanged)}}, left: true},
		{name: "Process request", operation: "Update", called: []calledSo{{}}, left: true},
	}
}

// holds says whether an event is one of the set.
func (s calledSo) holds(e *pim.Event) bool {
	switch {
	case len(s.activities) > 0 && !slices.Contains(s.activities, e.Activity),
		len(s.actions) > 0 && !slices.Contains(s.actions, e.Action),
		s.kind != 0 && s.kind != e.Kind,
		s.lasts == permanent && !e.End.IsZero(), s.lasts == timebound && e.End.IsZero(),
		s.subject != 0 && s.subject != e.Principal.Kind:
		return false
	}
	return s.side.holds(e.Key) && s.tells(e.Details)
}

func (s side) holds(k pim.Key) bool {
	switch s {
	case ofRoles:
		return k.Provider != pim.Group
	case ofMembers:
		return k.Provider == pim.Group && k.Role != pim.Owner
	case ofOwners:
		return k.Provider == pim.Group && k.Role == pim.Owner
	case anySide:
	}
	return true
}

func (s calledSo) tells(details []string) bool {
	if s.detail == "" {
		return true
	}
	if len(details) < 2 {
		return false
	}
	told := details[0] + " " + details[1]
	return told == s.detail || strings.HasSuffix(s.detail, " ") && strings.HasPrefix(told, s.detail)
}

// filter is the condition of a store by which the events of the set are found.
func (s calledSo) filter() store.Filter {
	all := store.And{}
	if len(s.activities) > 0 {
		all = append(all, anyOf(store.FieldActivity, s.activities))
	}
	if len(s.actions) > 0 {
		all = append(all, anyOf(store.FieldAction, s.actions))
	}
	if s.kind != 0 {
		all = append(all, store.Is(store.FieldKind, int(s.kind)))
	}
	switch s.lasts {
	case permanent:
		all = append(all, store.Is(store.FieldEnd, nil))
	case timebound:
		all = append(all, store.Not{Filter: store.Is(store.FieldEnd, nil)})
	case eitherWay:
	}
	if s.subject != 0 {
		all = append(all, store.Is(store.FieldSubjectKind, int(s.subject)))
	}
	if s.detail != "" {
		op := store.Eq
		if strings.HasSuffix(s.detail, " ") {
			op = store.Prefix
		}
		all = append(all, store.Compare{Field: store.FieldDetail, Op: op, Value: s.detail})
	}
	return append(all, s.side.filter()...)
}

func (s side) filter() []store.Filter {
	group, owner := store.Is(store.FieldProvider, string(pim.Group)), store.Is(store.FieldRole, string(pim.Owner))
	switch s {
	case ofRoles:
		return []store.Filter{store.Not{Filter: group}}
	case ofMembers:
		return []store.Filter{group, store.Not{Filter: owner}}
	case ofOwners:
		return []store.Filter{group, owner}
	case anySide:
	}
	return nil
}

func anyOf[T ~int](f store.Field, values []T) store.Filter {
	any := store.Or{}
	for _, v := range values {
		any = append(any, store.Is(f, int(v)))
	}
	return any
}

func (n auditName) holds(e *pim.Event) bool {
	return slices.ContainsFunc(n.called, func(s calledSo) bool { return s.holds(e) })
}

func (n auditName) filter() store.Filter {
	any := store.Or{}
	for _, s := range n.called {
		any = append(any, s.filter())
	}
	return any
}

// auditTable is the table as it is asked. It is made once and not changed.
type auditTable []auditName

// named is an event's name. The last name of the table fits every event.
func (t auditTable) named(e *pim.Event) auditName {
	for _, n := range t {
		if n.holds(e) {
			return n
		}
	}
	return t[len(t)-1]
}

// events is the condition by which the events are found whose name passes a test.
func (t auditTable) events(pass func(auditName) bool) store.Filter {
	any, before := store.Or{}, store.Or{}
	for _, n := range t {
		f := n.filter()
		if pass(n) {
			if n.left {
				f = store.And{f, store.Not{Filter: before}}
			}
			any = append(any, f)
		}
		before = append(before, n.filter())
	}
	return any
}
