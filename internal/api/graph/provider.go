package graph

import (
	"strings"

	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// Directory roles and the sides of groups are the same thing to the core: roles of two providers. Graph has a set of
// types for each (unifiedRole… and privilegedAccessGroup…, learn.microsoft.com/graph/api/resources), which differ in the
// names of role and scope, in the form of ids and in the letter case of words. What differs stands here and in ids.go;
// all else serves both.

const groupRoot = "identityGovernance/privilegedAccess/group/"

// words are those in which Graph speaks of the roles of one provider.
type words struct {
	provider pim.Provider
	// root is the address of its sets; set and typ begin the names of sets and types.
	root, set, typ string
	// names are those of the parts of an ask that a refusal can name, where they are the provider's own.
	names map[string]string
}

func directoryWords() words {
	return words{pim.Directory, roleManagement, "role", "unifiedRole",
		map[string]string{"role": "roleDefinitionId", "scope": "directoryScopeId"}}
}

func groupWords() words {
	return words{pim.Group, groupRoot, "", "privilegedAccessGroup", map[string]string{"role": "accessId", "scope": "groupId"}}
}

// wordsAt are the words of the provider whose sets an address belongs to.
func wordsAt(path string) words {
	if strings.Contains(path, "/privilegedAccess/group") {
		return groupWords()
	}
	return directoryWords()
}

// name is a name that begins in the provider's way: roleAssignmentSchedules, assignmentSchedules.
func (w words) name(noun string) string {
	if w.set == "" {
		return strings.ToLower(noun[:1]) + noun[1:]
	}
	return w.set + noun
}

// memberWord is the word for how a principal comes by a row. Those of groups are enumerations of the schema, those of
// directory roles texts: they differ in letter case (reference graph-pim §1).
func memberWord(p pim.Provider, m pim.MemberType) string {
	switch {
	case p == pim.Group && m == pim.ByGroup:
		return "group"
	case p == pim.Group:
		return "direct"
	}
	return wire.MemberType(m)
}

// assignmentWord is the word for how an assignment came about.
func assignmentWord(p pim.Provider, t pim.AssignmentType) string {
	switch {
	case p == pim.Group && t == pim.Activated:
		return "activated"
	case p == pim.Group:
		return "assigned"
	case t == pim.Activated:
		return "Activated"
	}
	return "Assigned"
}

// memberProperty and assignmentProperty are memberType and assignmentType.
func (w words) memberProperty() odata.Property {
	values := []string{memberWord(w.provider, pim.Direct), memberWord(w.provider, pim.ByGroup)}
	if w.provider == pim.Directory {
		values = append(values, memberWord(w.provider, pim.Inherited))
	}
	return enumProperty("memberType", values...)
}

func (w words) assignmentProperty() odata.Property {
	return enumProperty("assignmentType", assignmentWord(w.provider, pim.Assigned), assignmentWord(w.provider, pim.Activated))
}

// idProperty is an identifier of a schedule or instance. Those of directory roles may be base64, whose letter case counts.
func (w words) idProperty(name string) odata.Property {
	if w.provider == pim.Group {
		return idProperty(name)
	}
	return exactProperty(name)
}

// keyProperties are the properties that tell whose role it is, and where.
func (w words) keyProperties() []odata.Property {
	if w.provider == pim.Group {
		return []odata.Property{idProperty("principalId"), idProperty("groupId"), enumProperty("accessId", string(pim.Owner), string(pim.Member))}
	}
	return []odata.Property{idProperty("principalId"), idProperty("roleDefinitionId"), idProperty("directoryScopeId"), idProperty("appScopeId")}
}

// writeKey writes them.
func writeKey(o *object, k pim.Key, p pim.PrincipalID) {
	o.Text("principalId", string(p))
	if k.Provider == pim.Group {
		o.Text("groupId", string(k.Scope))
		o.Text("accessId", string(k.Role))
		return
	}
	o.Text("roleDefinitionId", string(k.Role))
	o.Text("directoryScopeId", string(k.Scope))
	o.Null("appScopeId")
}

// keyValue is the value of one of them.
func keyValue(k pim.Key, p pim.PrincipalID, path string) any {
	switch path {
	case "principalId", "principal/id":
		return string(p)
	case "roleDefinitionId", "roleDefinition/id", "accessId":
		return string(k.Role)
	case "directoryScopeId", "groupId", "group/id":
		return string(k.Scope)
	}
	return nil
}

// roleKinds are the entity types of the roles of one provider.
type roleKinds struct {
	words words

	eligibilitySchedule, assignmentSchedule, eligibilityInstance, assignmentInstance kind[pim.Instance]

	assignmentRequest, eligibilityRequest kind[requestRow]

	approval kind[approvalRow]
	step     kind[stepRow]
}

// kindsOf are the entity types of a provider.
func (k *kinds) kindsOf(p pim.Provider) *roleKinds {
	if p == pim.Group {
		return &k.groupRoles
	}
	return &k.roleKinds
}

// navigations are what requests, schedules and instances all lead to.
func (k *kinds) navigations(w words, more ...odata.Navigation) []odata.Navigation {
	if w.provider == pim.Directory {
		return k.referenceNavigations(more...)
	}
	return append([]odata.Navigation{{Name: "principal", Schema: k.object.Schema}, {Name: "group", Schema: k.group.Schema}}, more...)
}

// filters let filters reach into these.
func (k *kinds) filters(w words) []odata.Property {
	if w.provider == pim.Directory {
		return k.referenceFilters()
	}
	return []odata.Property{filterNavigation("principal", k.object.Schema), filterNavigation("group", k.group.Schema)}
}

// setRoleKinds makes the types of schedules, instances, requests and approvals of a provider.
func (k *kinds) setRoleKinds(w words, beta bool) {
	r := k.kindsOf(w.provider)
	r.words = w
	k.setGrantKinds(r)
	k.setRequestKinds(r, beta)
	k.setApprovalKinds(r, beta)
}

func (k *kinds) setGrantKinds(r *roleKinds) {
	w := r.words
	kindOf := func(noun string, properties []odata.Property, cs listing.Columns, navigations ...odata.Navigation) kind[pim.Instance] {
		return kind[pim.Instance]{
			Set: w.root + w.name(noun) + "s", Type: w.typ + noun, Columns: cs,
			Schema: &odata.Schema{Properties: append(properties, k.filters(w)...), Navigations: k.navigations(w, navigations...)},
		}
	}
	assignment := w.assignmentProperty()

	s := kindOf("EligibilitySchedule", scheduleProperties(w), scheduleColumns(w))
	r.eligibilitySchedule = completed(s, writeSchedule, scheduleValue, relateSchedules, scheduleID)
	s = kindOf("AssignmentSchedule", append(scheduleProperties(w), assignment), scheduleColumns(w),
		odata.Navigation{Name: "activatedUsing", Schema: r.eligibilitySchedule.Schema})
	r.assignmentSchedule = completed(s, writeSchedule, scheduleValue, relateSchedules, scheduleID)

	s = kindOf("EligibilityScheduleInstance", instanceProperties(w, pim.Eligibility), instanceColumns(w, pim.Eligibility))
	r.eligibilityInstance = completed(s, writeInstance, instanceValue, relateInstances, grantID)
	properties := append(instanceProperties(w, pim.Assignment), assignment)
	if w.provider == pim.Directory {
		properties = append(properties, exactProperty("roleAssignmentOriginId"))
	}
	s = kindOf("AssignmentScheduleInstance", properties, instanceColumns(w, pim.Assignment),
		odata.Navigation{Name: "activatedUsing", Schema: r.eligibilityInstance.Schema})
	r.assignmentInstance = completed(s, writeInstance, instanceValue, relateInstances, grantID)
}

func (k *kinds) setRequestKinds(r *roleKinds, beta bool) {
	w := r.words
	kindOf := func(noun string, of pim.Kind, navigations ...odata.Navigation) kind[requestRow] {
		if beta {
			navigations = append(navigations, odata.Navigation{Name: "approval", Schema: approvalSchema(beta)})
		}
		return kind[requestRow]{
			Set: w.root + w.name(noun) + "s", Type: w.typ + noun, Columns: requestColumns(w, of),
			Schema: &odata.Schema{Properties: append(requestProperties(w), k.filters(w)...), Navigations: k.navigations(w, navigations...)},
			Write:  writeRequest, Value: requestValue, Relate: relateRequests,
			Key: func(r requestRow) string { return string(r.ID) },
			Deep: func(c *call, rows []requestRow) (func(int, []string) any, error) {
				return deepValues(c, rows, requestReference, requestValue)
			},
		}
	}
	r.assignmentRequest = kindOf("AssignmentScheduleRequest", pim.Assignment,
		odata.Navigation{Name: "activatedUsing", Schema: r.eligibilitySchedule.Schema},
		odata.Navigation{Name: "targetSchedule", Schema: r.assignmentSchedule.Schema})
	r.eligibilityRequest = kindOf("EligibilityScheduleRequest", pim.Eligibility,
		odata.Navigation{Name: "targetSchedule", Schema: r.eligibilitySchedule.Schema})
}

func (k *kinds) setApprovalKinds(r *roleKinds, beta bool) {
	set := r.words.root + r.words.name("AssignmentApprovals")
	r.step = kind[stepRow]{
		Set: set + "/" + stepsName(beta), Type: "approvalStage", Schema: &odata.Schema{Properties: stepProperties()},
		Write: writeStep, Value: stepValue, Key: func(s stepRow) string { return s.ID },
	}
	schema := approvalSchema(beta)
	if beta {
		r.step.Type = "approvalStep"
		schema.Navigations = append(schema.Navigations, odata.Navigation{Name: "request", Schema: r.assignmentRequest.Schema})
	}
	r.approval = kind[approvalRow]{
		Set: set, Type: "approval", Schema: schema,
		Write: writeApproval, Value: approvalValue, Relate: relateApprovalParts, Key: func(r approvalRow) string { return string(r.ID) },
	}
}
