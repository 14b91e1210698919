package pimv1

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/api/odata"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
)

// Signing up: privilegedSignupStatus (reference pim-v2 §11 and §12). A tenant here is signed up from the beginning.

func signupKind() kind[pim.TenantID] {
	return kind[pim.TenantID]{
		Set: signupSet, Type: "privilegedSignupStatus",
		Schema: &odata.Schema{Properties: []odata.Property{
			listing.IDProperty("id"), listing.BoolProperty("isRegistered"), listing.EnumProperty("status", "registrationAndSetupCompleted"),
		}},
		Key: func(t pim.TenantID) string { return string(t) },
		Write: func(_ *call, o *object, t pim.TenantID) {
			o.Str("id", string(t))
			o.Bool("isRegistered", true)
			o.Str("status", "registrationAndSetupCompleted")
		},
		Value: func(_ *call, t pim.TenantID, path []string) any {
			switch path[0] {
			case "isRegistered":
				return true
			case "status":
				return "registrationAndSetupCompleted"
			}
			return string(t)
		},
	}
}

func listSignup(c *call) (api.Answer, error) {
	return listing.All(c, &c.kinds.signup, []pim.TenantID{c.Tenant})
}

func getSignup(c *call) (api.Answer, error) {
	if c.id("id") != string(c.Tenant) {
		return api.Answer{}, listing.NotFound(c.PathValue("id"))
	}
	return listing.One(c, &c.kinds.signup, http.StatusOK, c.Tenant)
}

// signedUp answers isSignedUp and canSignUp.
func signedUp(c *call) (api.Answer, error) {
	return c.answer("Edm.Boolean", func(b []byte) []byte { return api.AppendBool(b, true) })
}

func signUp(c *call) (api.Answer, error) {
	if err := c.mayAdminister(); err != nil {
		return api.Answer{}, err
	}
	return listing.One(c, &c.kinds.signup, http.StatusOK, c.Tenant)
}

// setupIn is the body of completeSetup: the parameter by its name, or what it holds at once. userRolesActions are items
// userId|roleId|action, joined by semicolons.
type setupIn struct {
	Actions string `json:"userRolesActions"`
	Skip    bool   `json:"skipSetup"`
	Info    *struct {
		Actions string `json:"userRolesActions"`
		Skip    bool   `json:"skipSetup"`
	} `json:"tenantSetupInfo"`
}

// mostSetups bounds the items of one call.
const mostSetups = 500

// setup is one item.
type setup struct {
	user   pim.PrincipalID
	role   pim.RoleID
	action string
}

// parseSetups reads the items. What is no item is one that names nobody.
func parseSetups(text string) ([]setup, error) {
	var out []setup
	for item := range strings.SplitSeq(text, ";") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if len(out) == mostSetups {
			return nil, badRequest("Property 'userRolesActions' holds too many items.")
		}
		parts := strings.Split(item, "|")
		for len(parts) < 3 {
			parts = append(parts, "")
		}
		s := setup{pim.PrincipalID(strings.ToLower(strings.TrimSpace(parts[0]))), pim.RoleID(strings.ToLower(strings.TrimSpace(parts[1]))),
			strings.ToLower(strings.TrimSpace(parts[2]))}
		if len(parts) > 3 {
			s.action = ""
		}
		out = append(out, s)
	}
	return out, nil
}

// statistics are roleSuccessStatistics of one role.
type statistics struct {
	RoleID           pim.RoleID `json:"roleId"`
	RoleName         string     `json:"roleName"`
	PermanentSuccess int        `json:"permanentSuccess"`
	PermanentFail    int        `json:"permanentFail"`
	TemporarySuccess int        `json:"temporarySuccess"`
	TemporaryFail    int        `json:"temporaryFail"`
	RemoveSuccess    int        `json:"removeSuccess"`
	RemoveFail       int        `json:"removeFail"`
	UnknownFail      int        `json:"unknownFail"`
}

// count counts one item.
func (s *statistics) count(action string, done bool) {
	good, bad := &s.UnknownFail, &s.UnknownFail
	switch action {
	case permanentSetup:
		good, bad = &s.PermanentSuccess, &s.PermanentFail
	case temporarySetup:
		good, bad = &s.TemporarySuccess, &s.TemporaryFail
	case removeSetup:
		good, bad = &s.RemoveSuccess, &s.RemoveFail
	}
	if done {
		*good++
		return
	}
	*bad++
}

// What an item may ask for. The third is told by the answer's members alone.
const (
	permanentSetup = "permanent"
	temporarySetup = "temporary"
	removeSetup    = "remove"
)

func completeSetup(c *call) (api.Answer, error) {
	var in setupIn
	if err := api.Decode(c.Request, &in); err != nil {
		return api.Answer{}, err
	}
	if in.Info != nil {
		in.Actions, in.Skip = in.Info.Actions, in.Info.Skip
	}
	if err := c.mayAdminister(); err != nil {
		return api.Answer{}, err
	}
	items, err := parseSetups(in.Actions)
	if err != nil {
		return api.Answer{}, err
	}
	if in.Skip {
		items = nil
	}
	counts, err := c.setUp(items)
	if err != nil {
		return api.Answer{}, err
	}
	return c.answer("Collection(microsoft.graph.roleSuccessStatistics)", func(b []byte) []byte {
		return wire.AppendEach(b, counts, func(b []byte, s *statistics) []byte { return append(b, wire.MustJSON(s)...) })
	})
}

// setUp does what the items say, each by itself, and counts by role, in the order in which roles are first named. What was refused
// is counted and stops nothing.
func (c *call) setUp(items []setup) ([]*statistics, error) {
	roles, err := c.app.Roles(c.Context(), c.Tenant)
	if err != nil {
		return nil, err
	}
	counts := []*statistics{}
	for _, item := range items {
		i := slices.IndexFunc(counts, func(s *statistics) bool { return s.RoleID == item.role })
		if i < 0 {
			i = len(counts)
			counts = append(counts, &statistics{RoleID: item.role, RoleName: roleName(roles, item.role)})
		}
		err := c.setUpOne(item)
		if _, refused := errors.AsType[*pim.Refusal](err); err != nil && !refused {
			return nil, err
		}
		counts[i].count(item.action, err == nil)
	}
	return counts, nil
}

// setUpOne does one item.
func (c *call) setUpOne(item setup) error {
	ch := &change{call: c, key: c.key(item.user, item.role)}
	err := c.aPerson(item.user)
	if err == nil {
		ch.has, err = c.held(item.user, item.role)
	}
	if err != nil {
		return err
	}
	switch item.action {
	case permanentSetup:
		ch.reason = makingPermanent
		ch.permanent()
	case temporarySetup:
		ch.reason = makingEligible
		err = ch.makeEligible()
	case removeSetup:
		ch.reason = removing
		ch.remove()
	default:
		return &pim.Refusal{Code: pim.InvalidRequest, Detail: "is not an action of the setup"}
	}
	if err != nil {
		return err
	}
	return ch.commit()
}
