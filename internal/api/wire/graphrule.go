package wire

import (
	"strings"

	"portcullis/internal/policy"
)

// GraphRules are what Microsoft Graph says about rules, by version (learn.microsoft.com/graph/api/resources,
// unifiedRoleManagementPolicyRule and its kinds).
type GraphRules struct{ Beta bool }

var _ Words = GraphRules{}

// RuleType is the name of a rule's type, without what Microsoft Graph puts before all of them.
func (GraphRules) RuleType(k policy.RuleKind) string {
	return "unifiedRoleManagementPolicy" + ruleType(k)
}

// TypeMember is OData's.
func (GraphRules) TypeMember() string { return "@odata.type" }

// Text writes null for an empty text.
func (GraphRules) Text(o *Object, name, v string) { o.Text(name, v) }

// betaStage is the stage of beta, which knows one member more.
type betaStage struct {
	Stage
	Visibility *string `json:"approverInformationVisibility"`
}

// Stage adds the member that beta alone has.
func (w GraphRules) Stage(s Stage) any {
	if w.Beta {
		return betaStage{Stage: s}
	}
	return s
}

// Approver tells an approver in the form of the version (reference graph-pim §11.3).
func (w GraphRules) Approver(a policy.Approver) map[string]any {
	m := map[string]any{"@odata.type": GraphType + graphApprover(a.Kind)}
	idName := ""
	switch a.Kind {
	case policy.User:
		idName = "userId"
	case policy.Group:
		idName = "groupId"
	case policy.RequestorManager:
		if !w.Beta {
			m["managerLevel"] = 1
		}
	}
	if w.Beta {
		m["isBackup"] = a.Backup
	}
	if idName != "" {
		if w.Beta {
			idName = "id"
		}
		m[idName] = a.ID
		m["description"] = Optional(a.Description)
	}
	return m
}

func graphApprover(k policy.ApproverKind) string {
	switch k {
	case policy.User:
		return "singleUser"
	case policy.Group:
		return "groupMembers"
	case policy.RequestorManager:
		return "requestorManager"
	}
	return ""
}

// ApproverKind is told by the type or, without one, by which id is there.
func (GraphRules) ApproverKind(a Approver) policy.ApproverKind {
	for _, k := range approverKinds() {
		if strings.EqualFold(strings.TrimPrefix(a.ODataType, GraphType), graphApprover(k)) {
			return k
		}
	}
	switch {
	case a.ODataType != "": // of no known type
	case a.UserID != "":
		return policy.User
	case a.GroupID != "":
		return policy.Group
	}
	return 0
}

func approverKinds() []policy.ApproverKind {
	return []policy.ApproverKind{policy.User, policy.Group, policy.RequestorManager}
}
