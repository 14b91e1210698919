package pimv1

import (
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/auth"
)

// The permissions by which routes are opened (reference pim-v2 §11). All are those of people: an application's own token opens
// nothing.
const (
	asUser   = "Directory.AccessAsUser.All"
	write    = "PrivilegedAccess.ReadWrite.AzureAD"
	readOnly = "PrivilegedAccess.Read.AzureAD"
	dirRead  = "Directory.Read.All"
)

// route is one operation.
type route struct {
	method, path string
	access       api.Access
	handle       handler
}

func reading(more ...string) api.Access {
	return api.Access{Delegated: append([]string{asUser, write, readOnly}, more...)}
}

func writing() api.Access { return api.Access{Delegated: []string{asUser, write}} }

func get(path string, h handler) route { return route{http.MethodGet, path, reading(), h} }

func post(path string, h handler) route { return route{http.MethodPost, path, writing(), h} }

// list is a list and its number.
func list(path string, h handler, more ...string) []route {
	counted := func(c *call) (api.Answer, error) {
		c.CountOnly = true
		return h(c)
	}
	return []route{{http.MethodGet, path, reading(more...), h}, {http.MethodGet, path + "/$count", reading(more...), counted}}
}

// function is a function under both spellings, with its brackets and without.
func function(path string, h handler) []route { return []route{get(path, h), get(path+"()", h)} }

// Routes are the operations of the dialect.
func (s *Surface) Routes() []api.Route {
	var out []api.Route
	for _, part := range [][]route{roleRoutes(), assignmentRoutes(), requestRoutes(), approvalRoutes(), eventRoutes(), signupRoutes()} {
		for _, r := range part {
			r.access.NotMadeFor = auth.BesidesGraph()
			out = append(out, api.Route{Method: r.method, Pattern: root + "/" + r.path, Access: r.access, Handle: s.as(r.handle)})
		}
	}
	return out
}

func roleRoutes() []route {
	const one = roleSet + "/{id}"
	out := append(list(roleSet, listRoles), get(one, getRole))
	out = append(out, list(one+"/assignments", listRoleAssignments)...)
	return append(out,
		get(one+"/assignments/{assignment}", getRoleAssignment),
		get(one+"/settings", getSettings), route{http.MethodPut, one + "/settings", writing(), putSettings},
		get(one+"/summary", navigateRole("summary")),
		post(one+"/selfActivate", selfActivate), post(one+"/selfDeactivate", selfDeactivate),
	)
}

func assignmentRoutes() []route {
	const one = assignmentSet + "/{id}"
	out := append(list(assignmentSet, listAssignments), function(assignmentSet+"/my", myAssignments)...)
	out = append(out, function(one+"/uniqueAdminsCount", uniqueAdminsCount)...)
	return append(out,
		get(one, getAssignment), get(one+"/roleInfo", assignmentRoleInfo), post(assignmentSet, createAssignment),
		post(one+"/makeEligible", makeEligible), post(one+"/makePermanent", makePermanent), post(one+"/makeTemporary", makeTemporary),
		route{http.MethodDelete, one, writing(), deleteAssignment},
	)
}

func requestRoutes() []route {
	const one = requestSet + "/{id}"
	out := list(requestSet, listRequests, dirRead)
	for _, my := range []string{"/my", "/my()"} { // described as an action, shown as a function: both are served
		out = append(out, route{http.MethodGet, requestSet + my, reading(dirRead), myRequests},
			route{http.MethodPost, requestSet + my, reading(dirRead), myRequests})
	}
	return append(out,
		route{http.MethodGet, one, reading(dirRead), getRequest}, route{http.MethodGet, one + "/roleInfo", reading(dirRead), requestRoleInfo},
		post(requestSet, createRequest), post(one+"/cancel", cancelRequest),
	)
}

func approvalRoutes() []route {
	const one = approvalSet + "/{id}"
	out := append(list(approvalSet, listApprovals), function(approvalSet+"/myRequests", myApprovals)...)
	return append(out,
		get(one, getApproval), get(one+"/request", navigateApproval("request")), get(one+"/roleInfo", navigateApproval("roleInfo")),
		post(approvalSet, createApproval), route{http.MethodPatch, one, writing(), decideApproval},
	)
}

func eventRoutes() []route {
	return append(list(eventSet, listEvents), get(eventSet+"/{id}", getEvent))
}

func signupRoutes() []route {
	out := append(list(signupSet, listSignup), get(signupSet+"/{id}", getSignup))
	out = append(out, function(signupSet+"/isSignedUp", signedUp)...)
	out = append(out, function(signupSet+"/canSignUp", signedUp)...)
	return append(out, post(signupSet+"/signUp", signUp), post(signupSet+"/completeSetup", completeSetup))
}
