package pim

import (
	"sort"
	"time"

	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// holds says whether the caller has one of the roles for the whole tenant, actively, now.
func holds(by Caller, roles ...RoleID) bool {
	for _, h := range by.Roles {
		if h.Provider == Directory && h.Scope == Everywhere && contains(roles, h.Role) {
			return true
		}
	}
	return false
}

// administers says whether the caller administers directory roles (reference graph-pim §4.2).
func administers(by Caller) bool {
	return holds(by, PrivilegedRoleAdministrator, GlobalAdministrator)
}

// MayAdminister says whether the caller may give, change and take what the key names (reference graph-pim §4.2). PIM's own
// administration is under PIM: only active roles count. For directory roles and groups an application does what its token
// permits, which its dialect has tested. onto are the facts of the group that the key's scope names; they do not matter for
// other providers. For resources MayGive and MayTake tell why not, and know the kind of the principal, which conditions may ask
// for.
func MayAdminister(by Caller, k Key, onto GroupFacts) bool {
	if k.Provider == Resource {
		return MayGive(by, k, 0) == nil
	}
	if by.App() {
		return true
	}
	switch k.Provider {
	case Directory:
		return administers(by)
	case Group:
		// A group that may hold directory roles is as strong as these.
		return administers(by) || owns(by, k) || onto.ID != "" && !onto.RoleAssignable && writesGroups(by)
	case Resource:
	}
	return false
}

// writesGroups says whether the caller may change any group that cannot hold directory roles.
func writesGroups(by Caller) bool {
	return holds(by, DirectoryWriters, GroupsAdministrator, IdentityGovernanceAdmin, UserAdministrator)
}

// owns says whether the caller is an owner of the group that a key is about.
func owns(by Caller, k Key) bool { return k.Provider == Group && heldAt(by, Group, Owner, k.Scope) }

// MayReadGroup says whether the caller may see everybody's rows of one group: as MayRead says for all groups, or as one
// who administers this one.
func MayReadGroup(by Caller, k Key, onto GroupFacts) bool {
	return MayAdminister(by, k, onto) || ReadsEveryGroup(by)
}

// ReadsEveryGroup says whether the caller may see everybody's rows of groups that can hold roles, too.
func ReadsEveryGroup(by Caller) bool { return by.App() || administers(by) || holds(by, GlobalReader) }

func heldAt(by Caller, p Provider, r RoleID, s Scope) bool {
	for _, h := range by.Roles {
		if h.Provider == p && h.Role == r && h.Scope == s {
			return true
		}
	}
	return false
}

// MayRead says whether the caller may see everybody's requests, schedules and policies of a provider, beside their own
// (reference graph-pim §4.2). Of groups and resources, those of some: see MayReadAt.
func MayRead(by Caller, p Provider) bool {
	if p == Resource {
		return MayDo(by, ReadRoleAssignments, Everywhere) == nil
	}
	if by.App() {
		return true
	}
	switch p {
	case Directory:
		return holds(by, GlobalReader, SecurityOperator, SecurityReader, SecurityAdministrator,
			PrivilegedRoleAdministrator, GlobalAdministrator)
	case Group:
		return holds(by, GlobalReader, PrivilegedRoleAdministrator, GlobalAdministrator,
			DirectoryWriters, GroupsAdministrator, IdentityGovernanceAdmin, UserAdministrator)
	case Resource:
	}
	return false
}

// MayReadAt says whether the caller may see everybody's rows of what a key names: of a provider, of one group, or of one scope of
// resources.
func MayReadAt(by Caller, k Key, onto GroupFacts) bool {
	switch k.Provider {
	case Directory:
		return MayRead(by, Directory)
	case Group:
		return MayReadGroup(by, k, onto)
	case Resource:
		return MayDo(by, ReadRoleAssignments, k.Scope) == nil
	}
	return false
}

// keepsAdministrator refuses an outcome that leaves the tenant without a usable administrator at any instant from now
// on (P6), or brings that instant nearer. ended are the schedules that end; fresh is one that begins, or nil.
func (d *decision) keepsAdministrator(ended []ScheduleID, fresh *Schedule) error {
	if !d.c.Key.guarded() {
		return nil
	}
	rules := d.c.Policy.Rules
	before := firstGap(d.now, d.c.Administrators, rules)
	var after []Standing
	for _, s := range d.c.Administrators {
		if !contains(ended, s.Schedule) {
			after = append(after, s)
		}
	}
	if fresh != nil && d.c.Principal.Kind == UserPrincipal && d.c.Principal.Enabled {
		after = append(after, Standing{Schedule: fresh.ID, Kind: fresh.Kind, During: fresh.Window})
	}
	d.touch(AdministratorsKey(d.c.Key.Tenant), d.c.AdministratorsVersion)
	return judgeGap(before, firstGap(d.now, after, rules))
}

// judgeGap refuses when the first instant without an administrator comes nearer. Zero: there is none.
func judgeGap(before, after time.Time) error {
	if after.IsZero() || !before.IsZero() && !after.Before(before) {
		return nil
	}
	return refuse(LastAdministrator, "", "the tenant would be left without a usable administrator")
}

// KeepsAdministrator judges a change that is not a request, such as an edit of the role's policy or a disabled account,
// by promise P6: before and after are the tenant's standings and the rules of Global Administrator.
func KeepsAdministrator(now time.Time, before []Standing, rulesBefore policy.Rules, after []Standing, rulesAfter policy.Rules) error {
	return judgeGap(firstGap(now, before, rulesBefore), firstGap(now, after, rulesAfter))
}

// firstGap returns the first instant from now on at which nobody is a usable administrator; zero if there is none.
// Eligible users count only while activating asks nobody for approval: approvers could be gone. Recurrent grants do not
// count, for they have gaps by nature.
func firstGap(now time.Time, standings []Standing, rules policy.Rules) time.Time {
	var spans []schedule.Interval
	for _, s := range standings {
		if s.During.Recurrence != nil || s.Kind == Eligibility && rules.Approval.Required {
			continue
		}
		spans = append(spans, s.During.Span())
	}
	sort.Slice(spans, func(i, j int) bool { return spans[i].Start.Before(spans[j].Start) })
	covered := now
	for _, s := range spans {
		if s.Start.After(covered) {
			break
		}
		if s.End.IsZero() {
			return time.Time{}
		}
		if s.End.After(covered) {
			covered = s.End
		}
	}
	return covered
}

// MayAudit says whether the caller may read the audit log (reference graph-pim §4.2).
func MayAudit(by Caller) bool {
	return by.App() || holds(by, GlobalAdministrator, GlobalReader, SecurityAdministrator, SecurityReader,
		ReportsReader, ComplianceAdministrator)
}

// MayWriteUsers says whether the caller may make, change and delete accounts of people. An application does what its
// token permits.
func MayWriteUsers(by Caller) bool {
	return by.App() || holds(by, GlobalAdministrator, UserAdministrator)
}

// MayWritePrivileged says whether the caller may do to an account or application that holds a role, or could hold one,
// what would give its privileges to somebody else or take it out of use: change its password, its name, or whether it is
// enabled, delete it or bring it back.
func MayWritePrivileged(by Caller) bool {
	return by.App() || holds(by, GlobalAdministrator, PrivilegedAuthenticationAdministrator)
}

// MayWriteGroups says whether the caller may change a group, its members and its owners, or make one like it, which has
// no id yet. Those that may hold directory roles are for who administers these, and for their owners.
func MayWriteGroups(by Caller, g GroupFacts) bool {
	switch {
	case by.App() || administers(by):
		return true
	case g.ID != "" && heldAt(by, Group, Owner, Scope(g.ID)):
		return true
	}
	return !g.RoleAssignable && holds(by, GroupsAdministrator, UserAdministrator, DirectoryWriters, IdentityGovernanceAdmin)
}

// MayWriteUnits says whether the caller may make, change and delete administrative units and say who is in them: who is
// in one is who its scoped administrators rule over.
func MayWriteUnits(by Caller) bool { return by.App() || administers(by) }

// MayWriteApplications says whether the caller may make, change and delete applications; owner says that they own the
// one in question.
func MayWriteApplications(by Caller, owner bool) bool {
	return by.App() || owner || holds(by, GlobalAdministrator, ApplicationAdministrator, CloudApplicationAdministrator)
}
