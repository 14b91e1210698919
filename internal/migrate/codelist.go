package migrate

import (
	"net/http"
	"strings"

	"portcullis/internal/pim"
)

// Lists and single rows of the second iteration (reference pim-v2 §13.1).

func (t *translation) resources() {
	switch {
	case strings.EqualFold(t.id, "register"):
		t.lost("register", "Nothing is registered any more: every scope takes roles and settings as it is.")
	case t.provider == pim.Directory:
		t.lost("resources", "The tenant is implied: directory roles lie at the scope / of roleManagement/directory.")
	case t.provider == pim.Group && t.q.resource != "":
		t.add(http.MethodGet, "/v1.0/groups/"+t.needScope(), nil)
		t.changed("resources", "A group is no resource of its own; it is under PIM once it has a policy or a row.")
	case t.provider == pim.Group:
		t.lost("resources", "There is no list of groups under PIM. The caller's own are those of their eligibilities.")
		t.add(http.MethodGet, graphGroupRoot+"eligibilityScheduleInstances/filterByCurrentUser(on='principal')", nil, "$expand=group")
	default:
		t.armResources()
	}
	if len(t.q.Select) > 0 {
		for _, s := range t.q.Select {
			if strings.EqualFold(s, "permissions") {
				t.lost("permissions", "Levels of access are not told. Azure Resource Manager tells actions: {scope}/providers/Microsoft.Authorization/permissions.")
			}
		}
	}
}

// The versions of what Azure Resource Manager says about places.
const (
	armSubscriptions = "api-version=2022-12-01"
	armGroups        = "api-version=2020-05-01"
)

func (t *translation) armResources() {
	switch {
	case t.q.resource == "":
		t.add(http.MethodGet, "/subscriptions", nil, armSubscriptions)
		t.add(http.MethodGet, "/providers/Microsoft.Management/managementGroups", nil, armGroups)
		t.changed("resources", "There is no catalogue of resources: subscriptions and management groups are listed each by itself. "+
			"What lies below a scope and the caller can activate something at is told by {scope}/providers/Microsoft.Authorization/eligibleChildResources.")
		t.armList()
	case strings.Contains(strings.ToLower(t.needScope()), "managementgroups/"):
		t.add(http.MethodGet, t.scope, nil, armGroups)
	default:
		t.add(http.MethodGet, t.scope, nil, armSubscriptions)
	}
}

func (t *translation) roleDefinitions() {
	switch t.provider {
	case pim.Group:
		t.lost("roleDefinitions", "Groups have no role definitions: the roles are the words member and owner, in the member accessId.")
	case pim.Directory:
		names := t.renamed(t.set)
		if t.id != "" {
			t.q.role = t.id
			t.role = t.id
			t.add(http.MethodGet, graphDirectoryRoot+"roleDefinitions/"+t.id, nil, t.graphOptions(names, nil)...)
			return
		}
		t.add(http.MethodGet, graphDirectoryRoot+"roleDefinitions", nil,
			append([]string{filterOption(t.restOf(names)...)}, t.graphOptions(names, nil)...)...)
	case pim.Resource:
		t.armRoleDefinitions()
	}
}

func (t *translation) armRoleDefinitions() {
	if t.id != "" {
		t.q.role = t.id
		role := t.needRole()
		if strings.HasPrefix(role, "/") {
			t.add(http.MethodGet, role, nil, "api-version=2022-04-01")
			return
		}
		t.add(http.MethodGet, t.needScope()+armProvider+"roleDefinitions/"+role, nil, "api-version=2022-04-01")
		return
	}
	t.add(http.MethodGet, strings.TrimSuffix(t.needScope(), "/")+armProvider+"roleDefinitions", nil, "api-version=2022-04-01")
	t.armList()
}

// instances is the name of the set of rows in force, by kind.
func instances(p pim.Provider, k pim.Kind) string { return grantSet(p, k) + "Instances" }

// requestSet is the name of the set of requests.
func requestSet(p pim.Provider, k pim.Kind) string { return grantSet(p, k) + "Requests" }

func grantSet(p pim.Provider, k pim.Kind) string {
	word := "assignmentSchedule"
	if k == pim.Eligibility {
		word = "eligibilitySchedule"
	}
	if p == pim.Group {
		return word
	}
	return "role" + strings.ToUpper(word[:1]) + word[1:]
}

// graphRoot is where the sets of a provider are in Microsoft Graph.
func graphRoot(p pim.Provider) string {
	if p == pim.Group {
		return graphGroupRoot
	}
	return graphDirectoryRoot
}

// expands are what is expanded in place of the navigations of the second iteration.
func (t *translation) expands() map[string]string {
	out := map[string]string{"subject": "principal", "roledefinition": "roleDefinition", "resource": "directoryScope",
		"scopedresource": "directoryScope", "linkedeligibleroleassignment": "activatedUsing"}
	if t.provider == pim.Group {
		delete(out, "roledefinition")
		delete(out, "scopedresource")
		out["resource"] = "group"
	}
	return out
}

func (t *translation) roleAssignments() {
	switch {
	case strings.EqualFold(t.id, "export"):
		t.id = ""
		t.lost("export", "Nothing is exported as a file: read the lists, and write the file in the program.")
	case t.id != "":
		t.q.id = t.id
	}
	if t.q.id != "" {
		t.changed("id", "Rows have other ids in the third iteration: find the row by scope, role and principal.")
	}
	for _, kind := range t.q.kinds() {
		if t.provider == pim.Resource {
			t.armGrants(instances(t.provider, kind))
		} else {
			t.graphGrants(instances(t.provider, kind), kind)
		}
	}
	if len(t.q.kinds()) > 1 {
		t.changed("assignmentState", "Eligible and active rows are two lists.")
	}
	t.changed("schedules", "These are the rows in force now; what begins later stands in the list of the same name that ends with Schedules.")
}

// graphGrants lists a set of Microsoft Graph, rows or requests.
func (t *translation) graphGrants(set string, kind pim.Kind) {
	names := t.renamed(t.set)
	filter := []string{t.roleFilter()}
	path := graphRoot(t.provider) + set
	if t.provider == pim.Group && t.q.resource != "" {
		filter = append([]string{equals("groupId", t.needScope())}, filter...)
	}
	switch {
	case t.q.subject != "" && t.q.resource == "":
		path += "/filterByCurrentUser(on='principal')"
		t.changed("subjectId", "filterByCurrentUser shows the caller's own rows. Another's are found by $filter=principalId eq '"+t.q.subject+"'.")
	case t.q.subject != "":
		filter = append(filter, equals("principalId", t.q.subject))
	case t.provider == pim.Group && t.q.resource == "":
		t.unresolved("groupId", "A list of groups' rows names the group: $filter=groupId eq '{groupId}'.")
		filter = append(filter, equals("groupId", "{groupId}"))
	}
	filter = append(filter, equals("status", t.q.subStatus))
	filter = append(filter, t.restOf(names)...)
	expands := t.expands()
	if kind == pim.Eligibility || t.set == "roleassignmentrequests" {
		delete(expands, "linkedeligibleroleassignment")
	}
	t.add(http.MethodGet, path, nil, append([]string{filterOption(filter...)}, t.graphOptions(names, expands)...)...)
}

// roleFilter is the condition on the role, if the call has one.
func (t *translation) roleFilter() string {
	if t.q.role == "" {
		return ""
	}
	if t.provider == pim.Group {
		return equals("accessId", t.needRole())
	}
	return equals("roleDefinitionId", t.needRole())
}

// armGrants lists a set of Azure Resource Manager, rows or requests.
func (t *translation) armGrants(set string) {
	scope, where := "", "asTarget()"
	if t.q.resource != "" {
		scope, where = t.needScope(), "atScope()"
		if t.q.subject != "" {
			where += " and " + equals("principalId", t.q.subject)
		}
	} else if t.q.subject != "" {
		t.changed("subjectId", "asTarget() shows the caller's own rows. Another's are found by assignedTo('"+t.q.subject+"').")
	}
	var role, status string
	if t.q.role != "" {
		role = equals("roleDefinitionId", t.needRole())
	}
	if t.set == "roleassignmentrequests" {
		status = equals("status", t.q.subStatus)
	}
	t.addARM(http.MethodGet, scope, set, nil, filterOption(where, role, status))
	t.armList()
}

func (t *translation) alerts() {
	switch t.provider {
	case pim.Directory:
		t.add(http.MethodGet, "/beta/identityGovernance/roleManagementAlerts/alerts", nil, filterOption(equals("scopeId", "/"), equals("scopeType", "DirectoryRole")))
	case pim.Resource:
		t.addARM(http.MethodGet, t.needScope(), "roleManagementAlerts", nil)
		t.armList()
	case pim.Group:
		t.lost("alerts", "Groups have no alerts.")
	}
}
