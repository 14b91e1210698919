package graph

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/directory"
)

// version says in which versions a route is.
type version int

const (
	inBoth version = iota
	inBeta
)

// route is one operation, without its version.
type route struct {
	version version
	method  string
	path    string
	access  api.Access
	handle  handler
}

// Routes are all operations in both versions.
func (s *Surface) Routes() []api.Route {
	var out []api.Route
	for _, r := range s.table() {
		for _, beta := range []bool{false, true} {
			if r.version == inBeta && !beta {
				continue
			}
			prefix := "/v1.0/"
			if beta {
				prefix = "/beta/"
			}
			out = append(out, api.Route{Method: r.method, Pattern: prefix + r.path, Access: r.access, Handle: s.as(beta, r.handle)})
		}
	}
	return out
}

// table is what the dialect offers (reference graph-pim §3.1, §3.2 and §3.7).
func (s *Surface) table() []route {
	var t []route
	for _, part := range [][]route{
		s.roleRoutes(), grantRoutes(), assignmentRoutes(), requestRoutes(), approvalRoutes(), policyRoutes(),
		userRoutes(), groupRoutes(), objectRoutes(), unitRoutes(), applicationRoutes(), tenantRoutes(), directoryRoleRoutes(),
	} {
		t = append(t, part...)
	}
	return append(t, route{inBoth, http.MethodPost, "$batch", api.Access{Anybody: true}, batch})
}

func get(path string, a api.Access, h handler) route {
	return route{inBoth, http.MethodGet, path, a, h}
}

func getBeta(path string, a api.Access, h handler) route {
	return route{inBeta, http.MethodGet, path, a, h}
}

func post(path string, a api.Access, h handler) route {
	return route{inBoth, http.MethodPost, path, a, h}
}

// counted is a list and its $count.
func counted(path string, a api.Access, h handler) []route {
	return []route{get(path, a, h), get(path+"/$count", a, countOf(h))}
}

// mixedList is a list of several types, its casts, and the counts of all.
func mixedList(path string, a api.Access, h handler) []route {
	out := counted(path, a, h)
	for _, typ := range casts() {
		out = append(out, counted(path+"/"+castPrefix+typ, a, h)...)
	}
	return out
}

// countOf makes a list answer with the number of its rows alone.
func countOf(h handler) handler {
	return func(c *call) (api.Answer, error) {
		c.count = true
		return h(c)
	}
}

// navigations are the routes from an item to what it points to.
func navigations(path string, a api.Access, names []odata.Navigation, to func(string) handler) []route {
	var out []route
	for _, n := range names {
		out = append(out, get(path+"/"+n.Name, a, to(n.Name)))
	}
	return out
}

func (s *Surface) roleRoutes() []route {
	const set = roleManagement + "roleDefinitions"
	read, write := roleDefinitionsRead(), roleDefinitionsWrite()
	out := append(counted(set, read, listRoles),
		get(set+"/{id}", read, getRole),
		get(set+"/{id}/inheritsPermissionsFrom", read, inheritsPermissionsFrom),
		getBeta(set+"/{id}/assignedPrincipals()", both(rmRead, dirRead, rmWrite), assignedPrincipals),
		get(roleManagement+"resourceNamespaces", both(rmRead, rmAll, rmWrite), listNamespaces),
		get(roleManagement+"resourceNamespaces/{id}", both(rmRead, rmAll, rmWrite), getNamespace),
		get(roleManagement+"resourceNamespaces/{id}/resourceActions", both(rmRead, rmAll, rmWrite), listActions),
		get(roleManagement+"resourceNamespaces/{id}/resourceActions/{action}", both(rmRead, rmAll, rmWrite), getAction),
	)
	if s.editor != nil {
		out = append(out,
			post(set, write, createRole),
			route{inBoth, http.MethodPatch, set + "/{id}", write, updateRole},
			route{inBoth, http.MethodDelete, set + "/{id}", write, deleteRole},
		)
	}
	return out
}

func grantRoutes() []route {
	k := newKinds(false)
	var out []route
	for _, s := range []struct {
		kind   *kindNames
		set    grantSet
		access api.Access
	}{
		{namesOf(&k.assignmentSchedule), assignmentSchedules(), assignmentGrantsRead()},
		{namesOf(&k.assignmentInstance), assignmentInstances(), assignmentGrantsRead()},
		{namesOf(&k.eligibilitySchedule), eligibilitySchedules(), eligibilityGrantsRead()},
		{namesOf(&k.eligibilityInstance), eligibilityInstances(), eligibilityGrantsRead()},
	} {
		out = append(out, counted(s.kind.set, s.access, s.set.list)...)
		out = append(out, counted(s.kind.set+"/filterByCurrentUser()", s.access, s.set.mine)...)
		out = append(out, get(s.kind.set+"/{id}", s.access, s.set.get))
		out = append(out, navigations(s.kind.set+"/{id}", s.access, s.kind.navigations, s.set.navigate)...)
	}
	return out
}

// kindNames are what routes need of a kind.
type kindNames struct {
	set         string
	navigations []odata.Navigation
}

func namesOf[T any](k *kind[T]) *kindNames { return &kindNames{k.set, k.schema.Navigations} }

func assignmentRoutes() []route {
	k := newKinds(false)
	set, s, access := k.roleAssignment.set, roleAssignments(), roleAssignmentsRead()
	out := append(counted(set, access, s.list), get(set+"/{id}", access, s.get))
	out = append(out, navigations(set+"/{id}", access, k.roleAssignment.schema.Navigations, s.navigate)...)
	return append(out,
		getBeta(roleManagement+"transitiveRoleAssignments", roleAssignmentsRead(), transitiveRoleAssignments),
		getBeta(roleManagement+"roleSchedules()", schedulesMixedRead(), mixed(false)),
		getBeta(roleManagement+"roleScheduleInstances()", schedulesMixedRead(), mixed(true)),
	)
}

func requestRoutes() []route {
	k := newKinds(false)
	var out []route
	for _, s := range []struct {
		kind                 *kindNames
		set                  requestSet
		read, create, cancel api.Access
	}{
		{namesOf(&k.assignmentRequest), assignmentRequests(), assignmentRequestsRead(), assignmentRequestsCreate(), assignmentRequestsCancel()},
		{namesOf(&k.eligibilityRequest), eligibilityRequests(), eligibilityRequestsRead(), eligibilityRequestsCreate(), eligibilityRequestsCancel()},
	} {
		out = append(out, counted(s.kind.set, s.read, s.set.list)...)
		out = append(out, counted(s.kind.set+"/filterByCurrentUser()", s.read, s.set.mine)...)
		out = append(out, get(s.kind.set+"/{id}", s.read, s.set.get), post(s.kind.set, s.create, s.set.create),
			post(s.kind.set+"/{id}/cancel", s.cancel, s.set.cancel))
		out = append(out, navigations(s.kind.set+"/{id}", s.read, s.kind.navigations, s.set.navigate)...)
	}
	return out
}

func approvalRoutes() []route {
	const set = roleManagement + "roleAssignmentApprovals"
	read := approvalsRead()
	return []route{
		getBeta(set+"/filterByCurrentUser()", read, listApprovals),
		getBeta(set+"/{id}", read, getApproval),
		getBeta(set+"/{id}/steps", read, listSteps),
		getBeta(set+"/{id}/steps/{step}", read, getStep),
		{inBeta, http.MethodPatch, set + "/{id}/steps/{step}", approvalsDecide(), decideStep},
	}
}

func policyRoutes() []route {
	const policies, assignments = "policies/roleManagementPolicies", "policies/roleManagementPolicyAssignments"
	read, write := policiesRead(), policiesWrite()
	policyKind := func(c *call) *kind[policyRow] { return &c.policy }
	assignmentKind := func(c *call) *kind[policyRow] { return &c.policyAssignment }
	out := []route{
		get(policies, read, listPolicies(policyKind)),
		get(policies+"/{id}", read, getPolicy),
		{inBoth, http.MethodPatch, policies + "/{id}", write, patchPolicy},
		get(assignments, read, listPolicies(assignmentKind)),
		get(assignments+"/{id}", read, getPolicyAssignment),
		get(assignments+"/{id}/policy", read, getPolicyOfAssignment),
	}
	for _, rules := range []string{"rules", "effectiveRules"} {
		out = append(out,
			get(policies+"/{id}/"+rules, read, listRules),
			get(policies+"/{id}/"+rules+"/{rule}", read, getRule),
			route{inBoth, http.MethodPatch, policies + "/{id}/" + rules + "/{rule}", write, patchRule},
		)
	}
	return out
}

func userRoutes() []route {
	const user = directory.KindUser
	read, me, groups := usersRead(), meRead(), usersRead()
	out := append(counted("users", read, listKind(usersKind, user)),
		post("users", usersWrite(), createUser),
		get("users/{id}", read, getKind(usersKind, user)),
		get("users/{id}/manager", read, getManager),
		get("me", me, getMe),
		get("me/manager", me, getManager),
		post("me/checkMemberGroups", me, checkMemberGroups), post("me/getMemberGroups", me, getMemberGroups(false)),
		post("me/checkMemberObjects", me, checkMemberGroups), post("me/getMemberObjects", me, getMemberGroups(true)),
		post("users/{id}/checkMemberGroups", groups, checkMemberGroups), post("users/{id}/getMemberGroups", groups, getMemberGroups(false)),
		post("users/{id}/getMemberObjects", groups, getMemberGroups(true)),
	)
	for _, from := range []struct {
		path   string
		access api.Access
	}{{"users/{id}/", groups}, {"me/", me}} {
		out = append(out, mixedList(from.path+"memberOf", from.access, memberOf(user))...)
		out = append(out, mixedList(from.path+"transitiveMemberOf", from.access, transitiveMemberOf(user))...)
		out = append(out, mixedList(from.path+"ownedObjects", from.access, ownedObjects(user))...)
	}
	return out
}

func groupRoutes() []route {
	const group = directory.KindGroup
	read := groupsRead()
	out := append(counted("groups", read, listKind(groupsKind, group)),
		get("groups/{id}", read, getKind(groupsKind, group)),
		post("groups/{id}/checkMemberGroups", read, checkMemberGroups), post("groups/{id}/getMemberGroups", read, getMemberGroups(false)),
	)
	out = append(out, mixedList("groups/{id}/members", read, below(group, directory.MemberOf))...)
	out = append(out, mixedList("groups/{id}/owners", read, below(group, directory.OwnerOf))...)
	out = append(out, mixedList("groups/{id}/transitiveMembers", read, transitiveMembers)...)
	out = append(out, mixedList("groups/{id}/memberOf", read, memberOf(group))...)
	return append(out, mixedList("groups/{id}/transitiveMemberOf", read, transitiveMemberOf(group))...)
}

func objectRoutes() []route {
	read := directoryRead()
	out := []route{
		get("directoryObjects/{id}", read, getKind(anyObject, 0)),
		post("directoryObjects/getByIds", read, getByIDs),
	}
	for _, name := range []string{"checkMemberGroups", "checkMemberObjects"} {
		out = append(out, post("directoryObjects/{id}/"+name, read, checkMemberGroups))
	}
	return append(out,
		post("directoryObjects/{id}/getMemberGroups", read, getMemberGroups(false)),
		post("directoryObjects/{id}/getMemberObjects", read, getMemberGroups(true)))
}

func unitRoutes() []route {
	const unit = directory.KindAdministrativeUnit
	read := unitsRead()
	var out []route
	for _, set := range []string{"directory/administrativeUnits", "administrativeUnits"} {
		out = append(out, counted(set, read, listKind(unitsKind, unit))...)
		out = append(out, get(set+"/{id}", read, getKind(unitsKind, unit)),
			get(set+"/{id}/scopedRoleMembers", both(rmRead, rmWrite, dirRead, dirWrite), scopedRoleMembers))
		out = append(out, mixedList(set+"/{id}/members", read, below(unit, directory.UnitMember))...)
		if strings.HasPrefix(set, "directory/") {
			out = append(out, get(set+"/{id}/members/{member}", read, getUnitMember))
		}
	}
	return out
}

func applicationRoutes() []route {
	const application = directory.KindServicePrincipal
	read := applicationsRead()
	var out []route
	for _, s := range []struct {
		set string
		of  func(*call) *kind[directory.Object]
	}{{"servicePrincipals", servicePrincipalsKind}, {"applications", applicationsKind}} {
		out = append(out, counted(s.set, read, listKind(s.of, application))...)
		out = append(out, get(s.set+"/{id}", read, getKind(s.of, application)), get(s.set+"()", read, byAppID(s.of)))
		out = append(out, mixedList(s.set+"/{id}/owners", read, below(application, directory.OwnerOf))...)
	}
	out = append(out, mixedList("servicePrincipals/{id}/memberOf", read, memberOf(application))...)
	return append(out, mixedList("servicePrincipals/{id}/transitiveMemberOf", read, transitiveMemberOf(application))...)
}

func tenantRoutes() []route {
	const contexts = "identity/conditionalAccess/authenticationContextClassReferences"
	return []route{
		get("organization", organizationRead(), listOrganization),
		get("organization/{id}", organizationRead(), getOrganization),
		get("domains", domainsRead(), listDomains),
		get("domains/{id}", domainsRead(), getDomain),
		get(contexts, contextsRead(), listContexts),
		get(contexts+"/{id}", contextsRead(), getContext),
	}
}

func directoryRoleRoutes() []route {
	read := both(rmRead, rmAll, rmWrite, dirRead, dirWrite)
	out := []route{
		get("directoryRoles", read, listBuiltIn(directoryRolesKind)),
		get("directoryRoleTemplates", read, listBuiltIn(roleTemplatesKind)),
		get("directoryRoleTemplates/{id}", read, getBuiltIn(roleTemplatesKind)),
	}
	for _, role := range []string{"directoryRoles/{id}", "directoryRoles()"} {
		out = append(out, get(role, read, getBuiltIn(directoryRolesKind)), get(role+"/scopedMembers", read, scopedMembers))
		out = append(out, mixedList(role+"/members", read, roleMembers)...)
	}
	return out
}
