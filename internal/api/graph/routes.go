package graph

import (
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/odata"
	"portcullis/internal/auth"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
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
			r.access.NotMadeFor = auth.BesidesGraph()
			out = append(out, api.Route{Method: r.method, Pattern: strings.TrimSuffix(prefix+r.path, "/"), Access: r.access, Handle: s.as(beta, r.handle)})
		}
	}
	return out
}

// table is what the dialect offers (reference graph-pim §3.1, §3.2, §3.3 and §3.7).
func (s *Surface) table() []route {
	var t []route
	for _, part := range [][]route{
		s.roleRoutes(), grantRoutes(), assignmentRoutes(), requestRoutes(), approvalRoutes(), privilegedAccessRoutes(), policyRoutes(),
		userRoutes(), groupRoutes(), objectRoutes(), unitRoutes(), applicationRoutes(), tenantRoutes(), directoryRoleRoutes(), s.writeRoutes(), auditRoutes(), metadataRoutes(),
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
		c.CountOnly = true
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

// grantRoutes are the schedules and instances of directory roles and of groups.
func grantRoutes() []route {
	var out []route
	for _, w := range []words{directoryWords(), groupWords()} {
		k, access := newKinds(false).kindsOf(w.provider), accessTo(w.provider)
		for _, s := range []struct {
			kind   *kindNames
			set    grantSet
			access api.Access
		}{
			{namesOf(&k.assignmentSchedule), assignmentSchedules(w), access.assignments.grants},
			{namesOf(&k.assignmentInstance), assignmentInstances(w), access.assignments.grants},
			{namesOf(&k.eligibilitySchedule), eligibilitySchedules(w), access.eligibilities.grants},
			{namesOf(&k.eligibilityInstance), eligibilityInstances(w), access.eligibilities.grants},
		} {
			out = append(out, counted(s.kind.set, s.access, s.set.list)...)
			out = append(out, counted(s.kind.set+"/filterByCurrentUser()", s.access, s.set.mine)...)
			out = append(out, get(s.kind.set+"/{id}", s.access, s.set.get))
			out = append(out, navigations(s.kind.set+"/{id}", s.access, s.kind.navigations, s.set.navigate)...)
		}
	}
	return out
}

// kindNames are what routes need of a kind.
type kindNames struct {
	set         string
	navigations []odata.Navigation
}

func namesOf[T any](k *kind[T]) *kindNames { return &kindNames{k.Set, k.Schema.Navigations} }

func assignmentRoutes() []route {
	k := newKinds(false)
	set, s, access := k.roleAssignment.Set, roleAssignments(), roleAssignmentsRead()
	out := append(counted(set, access, s.list), get(set+"/{id}", access, s.get))
	out = append(out, navigations(set+"/{id}", access, k.roleAssignment.Schema.Navigations, s.navigate)...)
	return append(out,
		getBeta(roleManagement+"transitiveRoleAssignments", roleAssignmentsRead(), transitiveRoleAssignments),
		getBeta(roleManagement+"roleSchedules()", schedulesMixedRead(), mixed(false)),
		getBeta(roleManagement+"roleScheduleInstances()", schedulesMixedRead(), mixed(true)),
	)
}

// requestRoutes are the requests of directory roles and of groups.
func requestRoutes() []route {
	var out []route
	for _, w := range []words{directoryWords(), groupWords()} {
		k, access := newKinds(false).kindsOf(w.provider), accessTo(w.provider)
		for _, s := range []struct {
			kind   *kindNames
			set    requestSet
			access kindAccess
		}{
			{namesOf(&k.assignmentRequest), assignmentRequests(w), access.assignments},
			{namesOf(&k.eligibilityRequest), eligibilityRequests(w), access.eligibilities},
		} {
			set, read := s.kind.set, s.access.requests
			out = append(out, counted(set, read, s.set.list)...)
			out = append(out, counted(set+"/filterByCurrentUser()", read, s.set.mine)...)
			out = append(out, get(set+"/{id}", read, s.set.get), post(set, s.access.create, s.set.create),
				post(set+"/{id}/cancel", s.access.cancel, s.set.cancel), getBeta(set+"/{id}/approval", read, s.set.navigate("approval")))
			out = append(out, navigations(set+"/{id}", read, s.kind.navigations, s.set.navigate)...)
		}
	}
	return out
}

// approvalRoutes are the approvals: of directory roles in beta alone, of groups in both versions; their steps go by two
// names, and both lead there in both versions (reference graph-pim §12).
func approvalRoutes() []route {
	var out []route
	for _, w := range []words{directoryWords(), groupWords()} {
		in := inBoth
		if w.provider == pim.Directory {
			in = inBeta
		}
		set, s, access := w.root+w.name("AssignmentApprovals"), approvalSet{w.provider}, accessTo(w.provider)
		add := func(v version, path string, h handler) {
			out = append(out, route{v, http.MethodGet, set + path, access.approvals, h})
		}
		add(in, "", refuseList)
		add(in, "/filterByCurrentUser()", s.mine)
		add(in, "/filterByCurrentUser()/$count", countOf(s.mine))
		add(in, "/{id}", s.get)
		add(inBeta, "/{id}/request", s.request)
		for _, l := range stepLists() {
			if l.holds != nil {
				add(inBeta, "/{id}/"+l.name, s.listSteps(l))
				continue
			}
			add(in, "/{id}/"+l.name, s.listSteps(l))
			add(in, "/{id}/"+l.name+"/$count", countOf(s.listSteps(l)))
			add(in, "/{id}/"+l.name+"/{step}", s.getStep)
			out = append(out, route{in, http.MethodPatch, set + "/{id}/" + l.name + "/{step}", access.decide, s.decide})
		}
	}
	return out
}

// privilegedAccessRoutes are what PIM for groups has beside its sets.
func privilegedAccessRoutes() []route {
	access := accessTo(pim.Group)
	resources := both(pagRead, pagWrite)
	resourcesKind := func(c *call) *kind[directory.Object] { return &c.resource }
	return []route{
		get(strings.TrimSuffix(groupRoot, "/"), both(access.assignments.grants.Delegated, access.eligibilities.grants.Delegated), bareGroup),
		getBeta(groupRoot+"resources", resources, listKind(resourcesKind, directory.KindGroup)),
		getBeta(groupRoot+"resources/$count", resources, countOf(listKind(resourcesKind, directory.KindGroup))),
		getBeta(groupRoot+"resources/{id}", resources, getKind(resourcesKind, directory.KindGroup)),
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
		get("users/{id}", read, getKind(usersKind, user)),
		get("users/{id}/manager", read, getManager),
		get("me", me, getMe),
		get("me/manager", me, getManager),
		post("me/checkMemberGroups", me, checkMemberGroups(false)), post("me/getMemberGroups", me, getMemberGroups(false)),
		post("me/checkMemberObjects", me, checkMemberGroups(true)), post("me/getMemberObjects", me, getMemberGroups(true)),
		post("users/{id}/checkMemberGroups", groups, checkMemberGroups(false)), post("users/{id}/getMemberGroups", groups, getMemberGroups(false)),
		post("users/{id}/checkMemberObjects", groups, checkMemberGroups(true)), post("users/{id}/getMemberObjects", groups, getMemberGroups(true)),
		route{inBeta, http.MethodPost, "me/estimateAccess", me, estimateAccess},
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
		post("groups/{id}/checkMemberGroups", read, checkMemberGroups(false)), post("groups/{id}/getMemberGroups", read, getMemberGroups(false)),
		post("groups/{id}/checkMemberObjects", read, checkMemberGroups(true)), post("groups/{id}/getMemberObjects", read, getMemberGroups(true)),
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
	return append(out,
		post("directoryObjects/{id}/checkMemberGroups", read, checkMemberGroups(false)),
		post("directoryObjects/{id}/checkMemberObjects", read, checkMemberGroups(true)),
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
	out = append(out,
		post("servicePrincipals/{id}/checkMemberGroups", read, checkMemberGroups(false)), post("servicePrincipals/{id}/getMemberGroups", read, getMemberGroups(false)),
		post("servicePrincipals/{id}/checkMemberObjects", read, checkMemberGroups(true)), post("servicePrincipals/{id}/getMemberObjects", read, getMemberGroups(true)))
	out = append(out, mixedList("servicePrincipals/{id}/ownedObjects", read, ownedObjects(application))...)
	out = append(out, mixedList("servicePrincipals/{id}/memberOf", read, memberOf(application))...)
	return append(out, mixedList("servicePrincipals/{id}/transitiveMemberOf", read, transitiveMemberOf(application))...)
}

func tenantRoutes() []route {
	const contexts = "identity/conditionalAccess/authenticationContextClassReferences"
	out := counted("organization", organizationRead(), listOrganization)
	out = append(out, counted("domains", domainsRead(), listDomains)...)
	out = append(out, counted(contexts, contextsRead(), listContexts)...)
	return append(out,
		get("organization/{id}", organizationRead(), getOrganization),
		get("domains/{id}", domainsRead(), getDomain),
		get(contexts+"/{id}", contextsRead(), getContext),
	)
}

func directoryRoleRoutes() []route {
	read := both(rmRead, rmAll, rmWrite, dirRead, dirWrite)
	out := counted("directoryRoles", read, listBuiltIn(directoryRolesKind))
	out = append(out, counted("directoryRoleTemplates", read, listBuiltIn(roleTemplatesKind))...)
	out = append(out, get("directoryRoleTemplates/{id}", read, getBuiltIn(roleTemplatesKind)),
		route{inBeta, http.MethodPost, roleManagement + "estimateAccess", both(rmRead, rmWrite, dirRead, dirWrite), estimateAccess})
	for _, role := range []string{"directoryRoles/{id}", "directoryRoles()"} {
		out = append(out, get(role, read, getBuiltIn(directoryRolesKind)), get(role+"/scopedMembers", read, scopedMembers))
		out = append(out, mixedList(role+"/members", read, roleMembers)...)
	}
	return out
}

func patch(path string, a api.Access, h handler) route {
	return route{inBoth, http.MethodPatch, path, a, h}
}

func remove(path string, a api.Access, h handler) route {
	return route{inBoth, http.MethodDelete, path, a, h}
}

// writeRoutes are those that change the directory, where it can be changed.
func (s *Surface) writeRoutes() []route {
	if s.editor == nil {
		return nil
	}
	users, groups, members, apps := usersWrite(), groupsWrite(), membersWrite(), applicationsWrite()
	out := []route{
		post("users", users, createUser), patch("users/{id}", users, updateUser), remove("users/{id}", users, deleteUser),
		{inBoth, http.MethodPut, "users/{id}/manager/$ref", users, setManager}, remove("users/{id}/manager/$ref", users, removeManager),
		post("groups", groupsCreate(), createGroup), patch("groups/{id}", groups, updateGroup), remove("groups/{id}", groups, deleteGroup),
		post("groups/{id}/members/$ref", members, addTo(pim.Member)),
		remove("groups/{id}/members/{member}/$ref", members, removeFrom(pim.Member)),
		post("groups/{id}/owners/$ref", groups, addTo(pim.Owner)),
		remove("groups/{id}/owners/{member}/$ref", groups, removeFrom(pim.Owner)),
		post("applications", apps, createApplication), post("servicePrincipals", apps, createServicePrincipal),
		post("directoryRoles", rolesWrite(), activateRole),
		post(roleManagement+"roleAssignments", rolesWrite(), createAssignment),
		remove(roleManagement+"roleAssignments/{id}", rolesWrite(), deleteAssignment),
	}
	for _, set := range []string{"applications", "servicePrincipals"} {
		out = append(out, patch(set+"/{id}", apps, updateApplication), remove(set+"/{id}", apps, deleteApplication),
			post(set+"/{id}/owners/$ref", apps, addApplicationOwner), remove(set+"/{id}/owners/{member}/$ref", apps, removeApplicationOwner))
	}
	for _, role := range []string{"directoryRoles/{id}", "directoryRoles()"} {
		out = append(out, post(role+"/members/$ref", rolesWrite(), addRoleMember), remove(role+"/members/{member}/$ref", rolesWrite(), removeRoleMember))
	}
	return append(append(append(out, unitWriteRoutes()...), deletedRoutes()...), trustRoutes()...)
}

func unitWriteRoutes() []route {
	write, scoped := unitsWrite(), "/scopedRoleMembers"
	var out []route
	for _, set := range []string{"directory/administrativeUnits", "administrativeUnits"} {
		out = append(out, post(set, write, createUnit), patch(set+"/{id}", write, updateUnit), remove(set+"/{id}", write, deleteUnit),
			post(set+"/{id}/members", write, createInUnit),
			post(set+"/{id}/members/$ref", write, addUnitMember), remove(set+"/{id}/members/{member}/$ref", write, removeUnitMember),
			post(set+"/{id}"+scoped, rolesWrite(), createScoped), remove(set+"/{id}"+scoped+"/{member}", rolesWrite(), deleteScoped),
			get(set+"/{id}"+scoped+"/{member}", both(rmRead, rmWrite, dirRead, dirWrite), getScoped))
	}
	return out
}

func deletedRoutes() []route {
	const set, roles = "directory/deletedItems", roleManagement + "deletedItems/roleDefinitions"
	read, write := binAccessAny(false), binAccessAny(true)
	out := []route{
		get(set+"/{id}", read, getDeleted), post(set+"/{id}/restore", write, restoreDeleted), remove(set+"/{id}", write, purgeDeleted(false)),
		getBeta(roles, both(rmRead, rmWrite), listDeletedRoles), getBeta(roles+"/{id}", both(rmRead, rmWrite), getDeletedRole),
		{inBeta, http.MethodPost, roles + "/{id}/restore", rolesWrite(), restoreDeletedRole},
		{inBeta, http.MethodDelete, roles + "/{id}", rolesWrite(), purgeDeleted(true)},
	}
	for _, k := range []struct {
		typ string
		of  func(*call) *kind[directory.Object]
		is  directory.Kind
	}{
		{"user", usersKind, directory.KindUser}, {"group", groupsKind, directory.KindGroup},
		{"servicePrincipal", servicePrincipalsKind, directory.KindServicePrincipal}, {"application", applicationsKind, directory.KindServicePrincipal},
		{"administrativeUnit", unitsKind, directory.KindAdministrativeUnit},
	} {
		out = append(out, counted(set+"/"+castPrefix+k.typ, both(binAccess(k.is, false)), listDeleted(k.of, k.is))...)
	}
	return out
}
