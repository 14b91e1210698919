package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"portcullis/internal/api/governance"
	"portcullis/internal/api/odata"
	"portcullis/internal/pim"
)

// Call is one call of an HTTP interface, as a program makes it.
type Call struct {
	Method string
	// Address is the path with its query; scheme and host may stand before it.
	Address string
	// Body is JSON, or empty.
	Body []byte
}

// Advice says what a program calls instead of a call of the first or second iteration.
type Advice struct {
	Old Call
	// New are the calls of the third iteration, in the order in which they are made. None: nothing is called any more, and the notes
	// say why. A word in braces stands for what only the program knows.
	New []Call
	// Notes say what of the call does not map as it is.
	Notes []Note
}

// ErrNotOlder is that of a call which is none of the older iterations.
var ErrNotOlder = errors.New("this is no call of privilegedAccess, privilegedRoles or what belongs to them")

// maxAddress and maxBody are the longest address and body of a call that are read.
const (
	maxAddress = 16 << 10
	maxBody    = 1 << 20
)

// Translate says what is called instead of a call (reference pim-v2 §13). The error is ErrNotOlder, one that says what of the call
// cannot be read, or that of the server which known asks.
func Translate(ctx context.Context, c Call, known *Known) (Advice, error) {
	if len(c.Address) > maxAddress || len(c.Body) > maxBody {
		return Advice{}, fmt.Errorf("the call is longer than %d bytes of address or %d of body", maxAddress, maxBody)
	}
	origin, segments, query, err := cutAddress(c.Address)
	if err != nil {
		return Advice{}, err
	}
	if known == nil {
		known = &Known{}
	}
	t := &translation{Advice: Advice{Old: c}, method: strings.ToUpper(c.Method), origin: origin}
	if t.method == "" {
		t.method = "GET"
	}
	at := rootOf(segments)
	switch {
	case at < 0:
		return Advice{}, ErrNotOlder
	case strings.EqualFold(segments[at], "privilegedAccess"):
		err = t.second(ctx, segments[at+1:], query, known)
	default:
		err = t.first(segments[at:], query)
	}
	if err != nil {
		return Advice{}, err
	}
	return t.Advice, nil
}

// iteration1 are the sets of the first iteration below the version.
func iteration1() []string {
	return []string{"privilegedRoles", "privilegedRoleAssignments", "privilegedRoleAssignmentRequests", "privilegedApproval",
		"privilegedOperationEvents", "privilegedSignupStatus", "privilegedSecurityAlerts"}
}

// rootOf is where in a path an older iteration begins: behind the version, or behind what a program has in its place; -1: nowhere.
func rootOf(segments []string) int {
	for i, s := range segments {
		if strings.EqualFold(s, "privilegedAccess") {
			if i > 0 && strings.EqualFold(segments[i-1], "identityGovernance") {
				return -1 // the third iteration
			}
			return i
		}
		for _, set := range iteration1() {
			if strings.EqualFold(s, set) {
				return i
			}
		}
	}
	return -1
}

// cutAddress cuts an address into its origin, the segments of its path, keys in brackets being segments, and its options.
func cutAddress(address string) (origin string, segments []string, query url.Values, err error) {
	path, raw, _ := strings.Cut(strings.TrimSpace(address), "?")
	raw, _, _ = strings.Cut(raw, "#")
	if i := strings.Index(path, "://"); i >= 0 {
		rest := path[i+3:]
		at := strings.IndexByte(rest+"/", '/')
		origin, path = path[:i+3]+rest[:at], rest[at:]
	}
	for s := range strings.SplitSeq(path, "/") {
		if text, err := url.PathUnescape(s); err == nil {
			s = text
		}
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		name, key, keyed := strings.Cut(s, "(")
		if keyed && strings.HasSuffix(key, ")") {
			segments = append(segments, name)
			if key = strings.Trim(strings.TrimSuffix(key, ")"), "'"); key != "" {
				segments = append(segments, key)
			}
			continue
		}
		segments = append(segments, s)
	}
	query, err = odata.Values(raw)
	return origin, segments, query, err
}

// translation is a call being translated.
type translation struct {
	Advice
	method, origin string
	provider       pim.Provider
	// set is the set that is called, in lower case, id the key behind it, action what stands behind that.
	set, id, action string
	q               oldQuery
	// scope and role are those of the third iteration, or a word in braces.
	scope, role string
}

// second translates a call of the second iteration: path is what stands behind privilegedAccess.
func (t *translation) second(ctx context.Context, path []string, query url.Values, known *Known) error {
	if len(path) == 0 {
		t.lost("providers", "The third iteration has no list of providers: each has addresses of its own.")
		return nil
	}
	var ok bool
	if t.provider, ok = governance.ParseProvider(path[0]); !ok {
		return fmt.Errorf("privilegedAccess has no provider %q: it has azureResources, aadRoles and aadGroups", path[0])
	}
	path = path[1:]
	t.q = readQuery(t, query)
	if len(path) >= 2 && strings.EqualFold(path[0], "resources") && !strings.EqualFold(path[1], "register") {
		t.q.resource = first(t.q.resource, path[1])
		if len(path) > 2 {
			path = path[2:]
		}
	}
	t.set, t.action = segment(path, 0), segment(path, 2)
	if len(path) > 1 {
		t.id = path[1]
	}
	return t.answer(ctx, known)
}

// segment is one of a path in lower case; empty: there is none.
func segment(path []string, i int) string {
	if i >= len(path) {
		return ""
	}
	return strings.ToLower(path[i])
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// answer finds what the ids of the call stand for, and what is called instead.
func (t *translation) answer(ctx context.Context, known *Known) error {
	switch t.set {
	case "roleassignmentrequests":
		return t.requests(ctx, known)
	case "rolesettings", "rolesettingsv2":
		return t.settings(ctx, known)
	}
	if err := t.resolve(ctx, known, t.q.resource, t.q.role); err != nil {
		return err
	}
	switch t.set {
	case "":
		t.lost("provider", "The third iteration does not show providers: each has addresses of its own.")
	case "resources":
		t.resources()
	case "roledefinitions":
		t.roleDefinitions()
	case "roleassignments":
		t.roleAssignments()
	case "alerts":
		t.alerts()
	default:
		t.lost(t.set, "This has no counterpart in the third iteration.")
	}
	return nil
}

// resolve sets scope and role from the ids of the second iteration.
func (t *translation) resolve(ctx context.Context, known *Known, resource, role string) error {
	var err error
	if t.scope, err = known.scope(ctx, t.provider, resource); err != nil {
		return err
	}
	if t.role, err = known.role(ctx, t.provider, resource, role); err != nil {
		return err
	}
	return nil
}

// needScope is the scope, or a word in its place with a note that says where it is found.
func (t *translation) needScope() string {
	if t.scope != "" {
		return t.scope
	}
	switch t.provider {
	case pim.Resource:
		t.unresolved("resourceId", "{scope} is the externalId of the resource"+about(t.q.resource)+", the path that Azure Resource Manager knows it by.")
		t.scope = "/{scope}"
	case pim.Group:
		t.unresolved("resourceId", "{groupId} is the object id of the group.")
		t.scope = "{groupId}"
	case pim.Directory:
		t.scope = "/"
	}
	return t.scope
}

// needRole is the role, or a word in its place with a note that says where it is found.
func (t *translation) needRole() string {
	if t.role != "" {
		return t.role
	}
	switch t.provider {
	case pim.Resource:
		t.unresolved("roleDefinitionId", "{roleDefinitionId} is the externalId of the role definition"+about(t.q.role)+", its id in Azure Resource Manager.")
		t.role = "{roleDefinitionId}"
	case pim.Group:
		t.unresolved("roleDefinitionId", "{accessId} is member or owner: the display name of the role definition"+about(t.q.role)+" in lower case.")
		t.role = "{accessId}"
	case pim.Directory:
		t.unresolved("roleDefinitionId", "{roleDefinitionId} is the templateId of the role definition.")
		t.role = "{roleDefinitionId}"
	}
	return t.role
}

// about names an id in a sentence, if there is one.
func about(id string) string {
	if id == "" {
		return ""
	}
	return " " + id
}

func (t *translation) note(s Severity, code, detail string) {
	for _, n := range t.Notes {
		if n.Code == code && n.Detail == detail {
			return
		}
	}
	t.Notes = append(t.Notes, Note{Severity: s, Item: t.method + " " + t.set, Code: code, Detail: detail})
}

func (t *translation) lost(code, detail string)       { t.note(Lost, code, detail) }
func (t *translation) changed(code, detail string)    { t.note(Changed, code, detail) }
func (t *translation) unresolved(code, detail string) { t.note(Unresolved, code, detail) }

// The public hosts: what a program with the second iteration's own host calls from now on.
const (
	graphHost = "https://graph.microsoft.com"
	armHost   = "https://management.azure.com"
)

// ownHost says whether a host is a public one that the older iterations are spoken with; any other is one server for everything.
func ownHost(origin string) bool {
	host := strings.ToLower(strings.TrimPrefix(origin, "https://"))
	return strings.HasSuffix(host, ".azrbac.mspim.azure.com") || host == "graph.microsoft.com" || strings.HasSuffix(host, ".graph.microsoft.com")
}

// The addresses of the third iteration.
const (
	policiesPath = "/v1.0/policies/"
	armProvider  = "/providers/Microsoft.Authorization/"
	armVersion   = "2020-10-01"
)

// add adds a call to make. The options are written behind the path as they are, blanks escaped.
func (t *translation) add(method, path string, body any, options ...string) {
	t.New = append(t.New, Call{Method: method, Address: t.host(path) + path + optionsOf(options), Body: writeBody(body)})
}

// host is what stands before a path: nothing where nothing stood before the old one.
func (t *translation) host(path string) string {
	switch {
	case t.origin == "" || !ownHost(t.origin):
		return t.origin
	case t.provider == pim.Resource && !strings.HasPrefix(path, "/v1.0/"):
		return armHost
	}
	return graphHost
}

// addARM adds a call of Azure Resource Manager at the scope.
func (t *translation) addARM(method, scope, path string, body any, options ...string) {
	if scope == "/" {
		scope = ""
	}
	t.add(method, scope+armProvider+path, body, append([]string{"api-version=" + armVersion}, options...)...)
}

// optionsOf joins the options that there are.
func optionsOf(options []string) string {
	out := ""
	for _, o := range options {
		if o == "" || strings.HasSuffix(o, "=") {
			continue
		}
		out += map[bool]string{true: "?", false: "&"}[out == ""] + strings.NewReplacer(" ", "%20", "#", "%23", "&", "%26", "+", "%2B").Replace(o)
	}
	return out
}

// writeBody is a body as it is sent: JSON that is there already, or a value of this package; nil is none.
func writeBody(body any) []byte {
	switch body := body.(type) {
	case nil:
		return nil
	case json.RawMessage:
		return body
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("a body of this package cannot be written: %v", err)) // they hold texts, truth values and JSON that was read
	}
	return text
}
