package graph

import (
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/app"
	"portcullis/internal/directory"
	"portcullis/internal/pim"
)

// kinds are the entity types of one version. They are made once and not changed.
type kinds struct {
	userDefault wire.Selection

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
			Set: set, Type: typ, Columns: objectColumns(), Write: writeObject, Value: objectValue, Relate: relateObjectParts,
			Schema: &odata.Schema{Properties: properties, Navigations: parts(navigations...), Searchable: true},
			Key:    func(o directory.Object) string { return string(o.ID) },
		}
	}
	k.object = make("directoryObjects", "directoryObject", nil)
	k.object.Schema, k.object.Subtype = any, objectType
	k.user = make("users", "user", userProperties(), "manager", "memberOf")
	k.group = make("groups", "group", groupProperties(), "members", "owners", "memberOf")
	k.servicePrincipal = make("servicePrincipals", "servicePrincipal", servicePrincipalProperties(), "owners", "memberOf")
	k.unit = make("directory/administrativeUnits", "administrativeUnit", unitProperties(), "members")
	k.application = make("applications", "application", applicationProperties(), "owners")
	k.application.Write = writeApplication
}

func (k *kinds) setRoles(beta bool) {
	schema := &odata.Schema{Properties: roleProperties(beta)}
	schema.Navigations = []odata.Navigation{{Name: "inheritsPermissionsFrom", Schema: &odata.Schema{Properties: schema.Properties}}}
	k.roleDefinition = kind[app.RoleDefinition]{
		Set: roleManagement + "roleDefinitions", Type: "unifiedRoleDefinition", Schema: schema,
		Write: writeRole, Value: roleValue, Relate: relateRolesInherited,
		Key: func(r app.RoleDefinition) string { return string(r.ID) },
	}
	k.expandedRole = k.roleDefinition
	k.expandedRole.Write = writeExpandedRole
	k.directoryRole = k.roleDefinition
	k.directoryRole.Set, k.directoryRole.Type = "directoryRoles", "directoryRole"
	k.directoryRole.Schema, k.directoryRole.Write = &odata.Schema{Properties: directoryRoleProperties(false)}, writeDirectoryRole
	k.directoryRole.Value = directoryRoleValue
	k.roleTemplate = k.directoryRole
	k.roleTemplate.Set, k.roleTemplate.Type = "directoryRoleTemplates", "directoryRoleTemplate"
	k.roleTemplate.Schema, k.roleTemplate.Write = &odata.Schema{Properties: directoryRoleProperties(true)}, writeRoleTemplate
}

// referenceNavigations are what requests, schedules, instances and assignments all lead to.
func (k *kinds) referenceNavigations(more ...odata.Navigation) []odata.Navigation {
	return append([]odata.Navigation{
		{Name: "principal", Schema: k.object.Schema},
		{Name: "roleDefinition", Schema: k.roleDefinition.Schema},
		{Name: "directoryScope", Schema: k.object.Schema},
		{Name: "appScope", Schema: &odata.Schema{Properties: []odata.Property{idProperty("id"), textProperty("displayName"), textProperty("type")}}},
	}, more...)
}

// referenceFilters let filters reach into the principal and the role.
func (k *kinds) referenceFilters() []odata.Property {
	return []odata.Property{filterNavigation("principal", k.object.Schema), filterNavigation("roleDefinition", k.roleDefinition.Schema)}
}

// setAssignments makes the types of plain assignments, and of the lists that hold several types.
func (k *kinds) setAssignments(beta bool) {
	w := directoryWords()
	properties := grantProperties(w, append([]odata.Property{idProperty("principalOrganizationId")}, listing.PlainProperties("condition")...)...)
	if beta {
		properties = append(properties, idProperty("resourceScope"))
	}
	s := kind[pim.Instance]{
		Set: roleManagement + "roleAssignments", Type: "unifiedRoleAssignment", Columns: assignmentColumns(),
		Schema: &odata.Schema{Properties: append(properties, k.filters(w)...), Navigations: k.navigations(w)},
	}
	k.roleAssignment = completed(s, writeRoleAssignment, roleAssignmentValue, relateRoleAssignments, grantID)
	k.setMixed()
	k.resource = k.group
	k.resource.Set, k.resource.Type, k.resource.Write = groupRoot+"resources", "governanceResource", writeResource
	k.resource.Schema = &odata.Schema{Properties: resourceProperties()}
	k.resource.Relate = nil
}

// completed fills in what a set of grants does with its rows.
func completed(k kind[pim.Instance], write func(*call, *object, pim.Instance), value func(*call, pim.Instance, []string) any,
	relate func(*call, []odata.Expand, []pim.Instance) ([]related, error), key func(pim.Instance) string) kind[pim.Instance] {
	k.Write, k.Value, k.Relate, k.Key = write, value, relate, key
	k.Deep = func(c *call, rows []pim.Instance) (func(int, []string) any, error) {
		return deepValues(c, rows, referenceOf, value)
	}
	return k
}

// setMixed makes the kinds of the lists that hold assignments and eligibilities together.
func (k *kinds) setMixed() {
	k.mixedSchedule = k.assignmentSchedule
	k.mixedSchedule.Type = "unifiedRoleScheduleBase"
	k.mixedSchedule.Subtype = func(i pim.Instance) (string, string) {
		if i.Schedule.Kind == pim.Eligibility {
			return k.eligibilitySchedule.Type, k.eligibilitySchedule.Set
		}
		return k.assignmentSchedule.Type, k.assignmentSchedule.Set
	}
	k.mixedInstance = k.assignmentInstance
	k.mixedInstance.Type = "unifiedRoleScheduleInstanceBase"
	k.mixedInstance.Subtype = func(i pim.Instance) (string, string) {
		if i.Schedule.Kind == pim.Eligibility {
			return k.eligibilityInstance.Type, k.eligibilityInstance.Set
		}
		return k.assignmentInstance.Type, k.assignmentInstance.Set
	}
}

func (k *kinds) setPolicies() {
	rules := &odata.Schema{Properties: ruleProperties()}
	k.rule = kind[ruleRow]{
		Set: "policies/roleManagementPolicies/rules", Type: rulePrefix + "Rule", Schema: rules, Write: writeRule, Value: ruleValue,
		Key:     func(r ruleRow) string { return r.rule.Name },
		Subtype: func(r ruleRow) (string, string) { return r.ruleType(), r.set },
	}
	k.policy = kind[policyRow]{
		Set: "policies/roleManagementPolicies", Type: rulePrefix, Write: writePolicy, Value: policyValue, Relate: relatePolicies,
		Key: policyRow.id,
		Schema: &odata.Schema{Properties: policyProperties(), Navigations: []odata.Navigation{
			{Name: "rules", Schema: rules}, {Name: "effectiveRules", Schema: rules},
		}},
	}
	k.policyAssignment = kind[policyRow]{
		Set: "policies/roleManagementPolicyAssignments", Type: rulePrefix + "Assignment",
		Write: writePolicyAssignment, Value: policyAssignmentValue, Relate: relatePolicyAssignments, Key: policyRow.assignmentID,
		Schema: &odata.Schema{Properties: policyAssignmentProperties(), Navigations: []odata.Navigation{{Name: "policy", Schema: k.policy.Schema}}},
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
		Set: "organization", Type: "organization", Schema: &odata.Schema{Properties: organizationProperties()},
		Write: writeOrganization, Value: organizationValue, Key: func(t directory.Tenant) string { return string(t.ID) },
	}
	k.domain = kind[directory.Tenant]{
		Set: "domains", Type: "domain", Schema: &odata.Schema{Properties: domainProperties()},
		Write: writeDomain, Value: domainValue, Key: func(t directory.Tenant) string { return t.Domain },
	}
	k.context = kind[string]{
		Set: "identity/conditionalAccess/authenticationContextClassReferences", Type: "authenticationContextClassReference",
		Schema: &odata.Schema{Properties: contextProperties()}, Write: writeContext, Value: contextValue, Key: self,
	}
	k.namespace = kind[string]{
		Set: roleManagement + "resourceNamespaces", Type: "unifiedRbacResourceNamespace",
		Schema: &odata.Schema{Properties: namespaceProperties()}, Write: writeNamespace, Value: namespaceValue, Key: self,
	}
	k.action = kind[actionRow]{
		Set: roleManagement + "resourceNamespaces/resourceActions", Type: "unifiedRbacResourceAction",
		Schema: &odata.Schema{Properties: actionProperties(beta)}, Write: writeAction, Value: actionValue, Key: actionRow.id,
	}
	k.scopedMember = kind[scopedRow]{
		Set: "scopedRoleMemberships", Type: "scopedRoleMembership",
		Schema: &odata.Schema{Properties: scopedProperties()}, Write: writeScoped, Value: scopedValue,
		Key: func(r scopedRow) string { return r.id },
	}
}
