package graph

import (
	"portcullis/internal/api/odata"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// kinds are the entity types of one version. They are made once and not changed.
type kinds struct {
	userDefault selection

	object, user, group, servicePrincipal, application, unit kind[directory.Object]

	roleDefinition, expandedRole, directoryRole, roleTemplate kind[app.RoleDefinition]

	// The roles of the directory, and the sides of groups.
	roleKinds
	groupRoles roleKinds

	roleAssignment, mixedSchedule, mixedInstance kind[pim.Instance]

	policy, policyAssignment kind[policyRow]
	rule                     kind[ruleRow]

	resource kind[directory.Object]

	audit      kind[pim.Event]
	auditNames auditTable

	organization, domain kind[directory.Tenant]
	context, namespace   kind[string]
	action               kind[actionRow]
	scopedMember         kind[scopedRow]
}

const roleManagement = "roleManagement/directory/"

func newKinds(beta bool) *kinds {
	k := &kinds{userDefault: defaultUser()}
	k.setObjects()
	k.setRoles(beta)
	k.setRoleKinds(directoryWords(), beta)
	k.setRoleKinds(groupWords(), beta)
	k.setAssignments(beta)
	k.setPolicies()
	k.setRest(beta)
	k.setAudit()
	return k
}

func (k *kinds) setObjects() {
	any := &odata.Schema{Properties: anyObjectProperties(), Searchable: true}
	parts := func(names ...string) []odata.Navigation {
		var out []odata.Navigation
		for _, n := range names {
			out = append(out, odata.Navigation{Name: n, Schema: any})
		}
		return out
	}
	any.Navigations = parts("manager")
	make := func(set, typ string, properties []odata.Property, navigations ...string) kind[directory.Object] {
		return kind[directory.Object]{
			set: set, typ: typ, columns: objectColumns(), write: writeObject, value: objectValue, relate: relateObjectParts,
			schema: &odata.Schema{Properties: properties, Navigations: parts(navigations...), Searchable: true},
			key:    func(o directory.Object) string { return string(o.ID) },
		}
	}
	k.object = make("directoryObjects", "directoryObject", nil)
	k.object.schema, k.object.subtype = any, objectType
	k.user = make("users", "user", userProperties(), "manager", "memberOf")
	k.group = make("groups", "group", groupProperties(), "members", "owners", "memberOf")
	k.servicePrincipal = make("servicePrincipals", "servicePrincipal", servicePrincipalProperties(), "owners", "memberOf")
	k.unit = make("directory/administrativeUnits", "administrativeUnit", unitProperties(), "members")
	k.application = make("applications", "application", applicationProperties(), "owners")
	k.application.write = writeApplication
}

func (k *kinds) setRoles(beta bool) {
	schema := &odata.Schema{Properties: roleProperties(beta)}
	schema.Navigations = []odata.Navigation{{Name: "inheritsPermissionsFrom", Schema: &odata.Schema{Properties: schema.Properties}}}
	k.roleDefinition = kind[app.RoleDefinition]{
		set: roleManagement + "roleDefinitions", typ: "unifiedRoleDefinition", schema: schema,
		write: writeRole, value: roleValue, relate: relateRolesInherited,
		key: func(r app.RoleDefinition) string { return string(r.ID) },
	}
	k.expandedRole = k.roleDefinition
	k.expandedRole.write = writeExpandedRole
	k.directoryRole = k.roleDefinition
	k.directoryRole.set, k.directoryRole.typ = "directoryRoles", "directoryRole"
	k.directoryRole.schema, k.directoryRole.write = &odata.Schema{Properties: directoryRoleProperties(false)}, writeDirectoryRole
	k.directoryRole.value = directoryRoleValue
	k.roleTemplate = k.directoryRole
	k.roleTemplate.set, k.roleTemplate.typ = "directoryRoleTemplates", "directoryRoleTemplate"
	k.roleTemplate.schema, k.roleTemplate.write = &odata.Schema{Properties: directoryRoleProperties(true)}, writeRoleTemplate
}

// referenceNavigations are what requests, schedules, instances and assignments all lead to.
func (k *kinds) referenceNavigations(more ...odata.Navigation) []odata.Navigation {
	return append([]odata.Navigation{
		{Name: "principal", Schema: k.object.schema},
		{Name: "roleDefinition", Schema: k.roleDefinition.schema},
		{Name: "directoryScope", Schema: k.object.schema},
		{Name: "appScope", Schema: &odata.Schema{Properties: []odata.Property{idProperty("id"), textProperty("displayName"), textProperty("type")}}},
	}, more...)
}

// referenceFilters let filters reach into the principal and the role.
func (k *kinds) referenceFilters() []odata.Property {
	return []odata.Property{filterNavigation("principal", k.object.schema), filterNavigation("roleDefinition", k.roleDefinition.schema)}
}

// setAssignments makes the types of plain assignments, and of the lists that hold several types.
func (k *kinds) setAssignments(beta bool) {
	w := directoryWords()
	properties := grantProperties(w, append([]odata.Property{idProperty("principalOrganizationId")}, plainProperties("condition")...)...)
	if beta {
		properties = append(properties, idProperty("resourceScope"))
	}
	s := kind[pim.Instance]{
		set: roleManagement + "roleAssignments", typ: "unifiedRoleAssignment", columns: assignmentColumns(),
		schema: &odata.Schema{Properties: append(properties, k.filters(w)...), Navigations: k.navigations(w)},
	}
	k.roleAssignment = completed(s, writeRoleAssignment, roleAssignmentValue, relateRoleAssignments, grantID)
	k.setMixed()
	k.resource = k.group
	k.resource.set, k.resource.typ, k.resource.write = groupRoot+"resources", "governanceResource", writeResource
	k.resource.schema = &odata.Schema{Properties: resourceProperties()}
	k.resource.relate = nil
}

// completed fills in what a set of grants does with its rows.
func completed(k kind[pim.Instance], write func(*call, *object, pim.Instance), value func(*call, pim.Instance, []string) any,
	relate func(*call, []odata.Expand, []pim.Instance) ([]related, error), key func(pim.Instance) string) kind[pim.Instance] {
	k.write, k.value, k.relate, k.key = write, value, relate, key
	k.deep = func(c *call, rows []pim.Instance) (func(int, []string) any, error) {
		return deepValues(c, rows, referenceOf, value)
	}
	return k
}

// setMixed makes the kinds of the lists that hold assignments and eligibilities together.
func (k *kinds) setMixed() {
	k.mixedSchedule = k.assignmentSchedule
	k.mixedSchedule.typ = "unifiedRoleScheduleBase"
	k.mixedSchedule.subtype = func(i pim.Instance) (string, string) {
		if i.Schedule.Kind == pim.Eligibility {
			return k.eligibilitySchedule.typ, k.eligibilitySchedule.set
		}
		return k.assignmentSchedule.typ, k.assignmentSchedule.set
	}
	k.mixedInstance = k.assignmentInstance
	k.mixedInstance.typ = "unifiedRoleScheduleInstanceBase"
	k.mixedInstance.subtype = func(i pim.Instance) (string, string) {
		if i.Schedule.Kind == pim.Eligibility {
			return k.eligibilityInstance.typ, k.eligibilityInstance.set
		}
		return k.assignmentInstance.typ, k.assignmentInstance.set
	}
}

func (k *kinds) setPolicies() {
	rules := &odata.Schema{Properties: ruleProperties()}
	k.rule = kind[ruleRow]{
		set: "policies/roleManagementPolicies/rules", typ: rulePrefix + "Rule", schema: rules, write: writeRule, value: ruleValue,
		key:     func(r ruleRow) string { return r.rule.Name },
		subtype: func(r ruleRow) (string, string) { return r.ruleType(), r.set },
	}
	k.policy = kind[policyRow]{
		set: "policies/roleManagementPolicies", typ: rulePrefix, write: writePolicy, value: policyValue, relate: relatePolicies,
		key: policyRow.id,
		schema: &odata.Schema{Properties: policyProperties(), Navigations: []odata.Navigation{
			{Name: "rules", Schema: rules}, {Name: "effectiveRules", Schema: rules},
		}},
	}
	k.policyAssignment = kind[policyRow]{
		set: "policies/roleManagementPolicyAssignments", typ: rulePrefix + "Assignment",
		write: writePolicyAssignment, value: policyAssignmentValue, relate: relatePolicyAssignments, key: policyRow.assignmentID,
		schema: &odata.Schema{Properties: policyAssignmentProperties(), Navigations: []odata.Navigation{{Name: "policy", Schema: k.policy.schema}}},
	}
}

// approvalSchema is that of approvals: their steps go by two names (reference graph-pim §12), and beta sorts them too.
func approvalSchema(beta bool) *odata.Schema {
	steps := &odata.Schema{Properties: stepProperties()}
	schema := &odata.Schema{Properties: []odata.Property{idProperty("id")}}
	for _, l := range stepLists() {
		if l.holds == nil || beta {
			schema.Navigations = append(schema.Navigations, odata.Navigation{Name: l.name, Schema: steps})
		}
	}
	return schema
}

func (k *kinds) setRest(beta bool) {
	self := func(s string) string { return s }
	k.organization = kind[directory.Tenant]{
		set: "organization", typ: "organization", schema: &odata.Schema{Properties: organizationProperties()},
		write: writeOrganization, value: organizationValue, key: func(t directory.Tenant) string { return string(t.ID) },
	}
	k.domain = kind[directory.Tenant]{
		set: "domains", typ: "domain", schema: &odata.Schema{Properties: domainProperties()},
		write: writeDomain, value: domainValue, key: func(t directory.Tenant) string { return t.Domain },
	}
	k.context = kind[string]{
		set: "identity/conditionalAccess/authenticationContextClassReferences", typ: "authenticationContextClassReference",
		schema: &odata.Schema{Properties: contextProperties()}, write: writeContext, value: contextValue, key: self,
	}
	k.namespace = kind[string]{
		set: roleManagement + "resourceNamespaces", typ: "unifiedRbacResourceNamespace",
		schema: &odata.Schema{Properties: namespaceProperties()}, write: writeNamespace, value: namespaceValue, key: self,
	}
	k.action = kind[actionRow]{
		set: roleManagement + "resourceNamespaces/resourceActions", typ: "unifiedRbacResourceAction",
		schema: &odata.Schema{Properties: actionProperties(beta)}, write: writeAction, value: actionValue, key: actionRow.id,
	}
	k.scopedMember = kind[scopedRow]{
		set: "scopedRoleMemberships", typ: "scopedRoleMembership",
		schema: &odata.Schema{Properties: scopedProperties()}, write: writeScoped, value: scopedValue,
		key: func(r scopedRow) string { return r.id },
	}
}
