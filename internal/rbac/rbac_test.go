package rbac_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"portcullis/internal/abac"
	"portcullis/internal/catalog"
	"portcullis/internal/rbac"
)

const subscription = "/subscriptions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"

func TestWhichRolesMayBeWritten(t *testing.T) {
	fine := func() rbac.Role {
		return rbac.Role{Name: "Operator", Assignable: []string{subscription}, Permissions: []rbac.Permission{{Actions: []string{"Microsoft.Compute/*"}}}}
	}
	many := func(n int, text string) []string {
		return strings.Split(strings.Repeat(text+" ", n)[:n*(len(text)+1)-1], " ")
	}
	for _, c := range []struct {
		name   string
		change func(r *rbac.Role)
		field  string // that is wrong; empty: nothing is
	}{
		{"as it is", func(*rbac.Role) {}, ""},
		{"without name", func(r *rbac.Role) { r.Name = " " }, "name"},
		{"the longest name", func(r *rbac.Role) { r.Name = strings.Repeat("é", 512) }, ""},
		{"a longer name", func(r *rbac.Role) { r.Name = strings.Repeat("é", 513) }, "name"},
		{"the longest description", func(r *rbac.Role) { r.Description = strings.Repeat("x", 1024) }, ""},
		{"a longer description", func(r *rbac.Role) { r.Description = strings.Repeat("x", 1025) }, "description"},
		{"assignable nowhere", func(r *rbac.Role) { r.Assignable = nil }, "assignable"},
		{"assignable at the root", func(r *rbac.Role) { r.Assignable = []string{subscription, "/"} }, "assignable[1]"},
		{"assignable at no scope", func(r *rbac.Role) { r.Assignable = []string{""} }, "assignable[0]"},
		{"assignable twice", func(r *rbac.Role) { r.Assignable = []string{subscription, subscription} }, "assignable[1]"},
		{"assignable at too many", func(r *rbac.Role) { r.Assignable = make([]string, 2001) }, "assignable"},
		{"one management group", func(r *rbac.Role) { r.Assignable = []string{mg + "m1", subscription} }, ""},
		{"two management groups", func(r *rbac.Role) { r.Assignable = []string{mg + "m1", mg + "m2"} }, "assignable[1]"},
		{"data at a subscription", func(r *rbac.Role) { r.Permissions[0].DataActions = []string{"x/read"} }, ""},
		{"data at a management group", func(r *rbac.Role) {
			r.Assignable[0], r.Permissions[0].DataActions = mg+"m1", []string{"x/read"}
		}, "permissions[0].dataActions"},
		{"no permissions", func(r *rbac.Role) { r.Permissions = nil }, ""},
		{"an empty action", func(r *rbac.Role) { r.Permissions[0].Actions = []string{"x/read", " "} }, "permissions[0].actions[1]"},
		{"a blank at the end", func(r *rbac.Role) { r.Permissions[0].NotActions = []string{"x/read "} }, ""},
		{"signs of all kinds", func(r *rbac.Role) { r.Permissions[0].Actions = []string{"X/{a}:b/$c?/+.-_/é"} }, ""},
		{"a line break", func(r *rbac.Role) { r.Permissions[0].NotDataActions = []string{"x/\nread"} }, "permissions[0].notDataActions[0]"},
		{"not in UTF-8", func(r *rbac.Role) { r.Permissions[0].NotActions = []string{"x/\xff"} }, "permissions[0].notActions[0]"},
		{"the most wildcards", func(r *rbac.Role) { r.Permissions[0].Actions = []string{strings.Repeat("*x", 8)} }, ""},
		{"more wildcards", func(r *rbac.Role) { r.Permissions[0].Actions = []string{strings.Repeat("*x", 9)} }, "permissions[0].actions[0]"},
		{"a long action", func(r *rbac.Role) { r.Permissions[0].Actions = []string{strings.Repeat("x", 513)} }, "permissions[0].actions[0]"},
		{"many actions", func(r *rbac.Role) { r.Permissions[0].Actions = many(4000, "x/read") }, ""},
		{"too many actions", func(r *rbac.Role) {
			r.Permissions = append(r.Permissions, rbac.Permission{DataActions: many(4000, "x/read")})
		}, "permissions"},
		{"too many entries", func(r *rbac.Role) { r.Permissions = make([]rbac.Permission, 101) }, "permissions"},
		{"a condition", func(r *rbac.Role) {
			r.Permissions[0].Condition, r.Permissions[0].ConditionVersion = "Exists @Resource[x]", "2.0"
		}, ""},
		{"the older version", func(r *rbac.Role) {
			r.Permissions[0].Condition, r.Permissions[0].ConditionVersion = "Exists @Resource[x]", "1.0"
		}, ""},
		{"no version of the language", func(r *rbac.Role) { r.Permissions[0].ConditionVersion = "3.0" }, "permissions[0].conditionVersion"},
		{"no condition", func(r *rbac.Role) { r.Permissions[0].Condition = "nonsense" }, "permissions[0].condition"},
	} {
		r := fine()
		c.change(&r)
		checkField(t, c.name, r.Check(), c.field)
	}
}

func checkField(t *testing.T, name string, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s: got %v, want none", name, err)
		}
		return
	}
	if wrong, ok := errors.AsType[*rbac.Error](err); !ok || wrong.Field != want || wrong.Detail == "" {
		t.Errorf("%s: got %v, want an error of %s", name, err, want)
	}
}

func TestWhichDenialsMayBeWritten(t *testing.T) {
	fine := func() rbac.Denial {
		return rbac.Denial{Name: "Keep", Scope: subscription, Principals: []rbac.Named{{ID: "u1", Type: "User"}}, Permissions: []rbac.Permission{{Actions: []string{"*/delete"}}}}
	}
	for _, c := range []struct {
		name   string
		change func(d *rbac.Denial)
		field  string
	}{
		{"as it is", func(*rbac.Denial) {}, ""},
		{"without name", func(d *rbac.Denial) { d.Name = "" }, "name"},
		{"a long description", func(d *rbac.Denial) { d.Description = strings.Repeat("x", 1025) }, "description"},
		{"nobody", func(d *rbac.Denial) { d.Principals = nil }, "principals"},
		{"everybody", func(d *rbac.Denial) { d.Principals, d.Everybody = nil, true }, ""},
		{"too many", func(d *rbac.Denial) { d.Principals = make([]rbac.Named, 1001) }, "principals"},
		{"too many exceptions", func(d *rbac.Denial) { d.Except = make([]rbac.Named, 1001) }, "except"},
		{"nothing", func(d *rbac.Denial) { d.Permissions = nil }, "permissions"},
		{"an empty action", func(d *rbac.Denial) { d.Permissions[0].DataActions = []string{""} }, "permissions[0].dataActions[0]"},
		{"a condition", func(d *rbac.Denial) { d.Condition, d.ConditionVersion = "Exists @Resource[x]", "2.0" }, ""},
		{"no condition", func(d *rbac.Denial) { d.Condition = "((" }, "condition"},
		{"no version", func(d *rbac.Denial) { d.ConditionVersion = "2" }, "conditionVersion"},
	} {
		d := fine()
		c.change(&d)
		checkField(t, c.name, d.Check(), c.field)
	}
}

func TestWhomADenialNames(t *testing.T) {
	inGroup := func(g string) bool { return g == "g1" }
	for _, c := range []struct {
		name   string
		denial rbac.Denial
		want   bool
	}{
		{"nobody", rbac.Denial{}, false},
		{"herself", rbac.Denial{Principals: []rbac.Named{{ID: "U1"}}}, true},
		{"another", rbac.Denial{Principals: []rbac.Named{{ID: "u2"}}}, false},
		{"her group", rbac.Denial{Principals: []rbac.Named{{ID: "g1", Type: "Group"}}}, true},
		{"another group", rbac.Denial{Principals: []rbac.Named{{ID: "g2", Type: "Group"}}}, false},
		{"everybody", rbac.Denial{Everybody: true}, true},
		{"everybody by id", rbac.Denial{Principals: []rbac.Named{{ID: rbac.Everyone}}}, true},
		{"everybody by type", rbac.Denial{Principals: []rbac.Named{{Type: "systemDefined"}}}, true},
		{"everybody but her", rbac.Denial{Everybody: true, Except: []rbac.Named{{ID: "u1"}}}, false},
		{"everybody but her group", rbac.Denial{Everybody: true, Except: []rbac.Named{{ID: "g1"}}}, false},
		{"everybody but another", rbac.Denial{Everybody: true, Except: []rbac.Named{{ID: "u2"}, {ID: "g2"}}}, true},
	} {
		if got := c.denial.Names("u1", inGroup); got != c.want {
			t.Errorf("%s: got %t, want %t", c.name, got, c.want)
		}
	}
	if d := (rbac.Denial{Principals: []rbac.Named{{ID: "g1"}}}); d.Names("u1", nil) {
		t.Error("a group names somebody who is in no group")
	}
}

// TestEqualLooksAtEverything changes one field after the other, those that are added later as well.
func TestEqualLooksAtEverything(t *testing.T) {
	everyField(t, rbac.Role{}, func(a, b any) bool { return a.(rbac.Role).Equal(b.(rbac.Role)) })
	everyField(t, rbac.Denial{}, func(a, b any) bool { return a.(rbac.Denial).Equal(b.(rbac.Denial)) })
	everyField(t, rbac.Permission{}, func(a, b any) bool { return a.(rbac.Permission).Equal(b.(rbac.Permission)) })
	r := rbac.Role{ID: "r", Permissions: []rbac.Permission{{Actions: []string{"*"}}}}
	if !r.Equal(*r.Compiled()) {
		t.Error("a role differs from itself once it is compiled")
	}
	d := rbac.Denial{ID: "d", Permissions: r.Permissions, Condition: "Exists @Resource[x]"}
	if !d.Equal(*d.Compiled()) {
		t.Error("a denial differs from itself once it is compiled")
	}
}

func everyField(t *testing.T, zero any, equal func(a, b any) bool) {
	t.Helper()
	for field := range reflect.TypeOf(zero).Fields() {
		if !field.IsExported() {
			continue
		}
		changed := reflect.New(reflect.TypeOf(zero)).Elem()
		switch f := changed.FieldByIndex(field.Index); {
		case f.Kind() == reflect.String:
			f.SetString("x")
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.Kind() == reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(time.Unix(0, 0)))
		default:
			t.Fatalf("%s is of a kind that this test cannot change", field.Name)
		}
		if equal(zero, changed.Interface()) || equal(changed.Interface(), zero) {
			t.Errorf("%T: another %s makes no difference", zero, field.Name)
		}
		if !equal(changed.Interface(), changed.Interface()) {
			t.Errorf("%T with a %s differs from itself", zero, field.Name)
		}
	}
}

// TestACopyWithOtherPermissionsIsNotCompiled: whoever edits what the index gave them is judged by what they wrote.
func TestACopyWithOtherPermissionsIsNotCompiled(t *testing.T) {
	edited := *rbac.Role{Permissions: []rbac.Permission{{Actions: []string{"*"}}}}.Compiled()
	edited.Permissions = []rbac.Permission{{Actions: []string{"x/read"}}}
	op := rbac.Operation{Action: "x/write"}
	if got := rbac.Decide(nil, []rbac.Grant{{Role: &edited}}, op, nil); got != rbac.NotAllowed {
		t.Errorf("the role allows what it allowed before: %v", got)
	}
	denial := *rbac.Denial{Permissions: []rbac.Permission{{Actions: []string{"x/read"}}}}.Compiled()
	denial.Permissions = []rbac.Permission{{Actions: []string{"x/write"}}}
	if got := rbac.Decide([]*rbac.Denial{&denial}, nil, op, nil); got != rbac.Denied {
		t.Errorf("the denial forbids what it forbade before: %v", got)
	}
	if got := rbac.Decide(nil, []rbac.Grant{{}}, op, nil); got != rbac.NotAllowed {
		t.Errorf("a grant without role: %v", got)
	}
}

// questions are asked in benchmarks and where allocations are counted.
func questions(t testing.TB) map[string]func() rbac.Verdict {
	t.Helper()
	role := func(id string) *rbac.Role {
		r, ok := catalog.AzureRole(id)
		if !ok {
			t.Fatalf("there is no role %s", id)
		}
		return r
	}
	biggest := catalog.AzureRoles()[0]
	for _, r := range catalog.AzureRoles() {
		if len(r.Permissions[0].Actions) > len(biggest.Permissions[0].Actions) {
			biggest = r
		}
	}
	const write = "Microsoft.Authorization/roleAssignments/write"
	delegated := abac.Stored("(!(ActionMatches{'" + write + "'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{" + catalog.Reader + "})")
	about := abac.Attributes{abac.Name(abac.Request, "Microsoft.Authorization/roleAssignments:RoleDefinitionId"): {catalog.Reader}}
	denial := rbac.Denial{Everybody: true, Permissions: []rbac.Permission{{Actions: []string{"Microsoft.Compute/*"}, NotActions: []string{"*/read"}}}}.Compiled()
	hundred := make([]rbac.Grant, 100)
	for i := range hundred {
		hundred[i].Role = catalog.AzureRoles()[i]
	}
	decide := func(denials []*rbac.Denial, grants []rbac.Grant, action string) func() rbac.Verdict {
		return func() rbac.Verdict { return rbac.Decide(denials, grants, rbac.Operation{Action: action}, about) }
	}
	return map[string]func() rbac.Verdict{
		"owner":                  decide(nil, []rbac.Grant{{Role: role(catalog.Owner)}}, write),
		"contributor is refused": decide(nil, []rbac.Grant{{Role: role(catalog.Contributor)}}, write),
		"delegated":              decide(nil, []rbac.Grant{{Role: role(catalog.UserAccessAdministrator), Condition: delegated}}, write),
		"denied":                 decide([]*rbac.Denial{denial}, []rbac.Grant{{Role: role(catalog.Owner)}}, "Microsoft.Compute/virtualMachines/write"),
		fmt.Sprintf("of %d actions none", len(biggest.Permissions[0].Actions)): decide(nil, []rbac.Grant{{Role: biggest}}, write),
		"of 100 roles none": decide(nil, hundred, "Contoso.Database/servers/write"),
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	for name, ask := range questions(t) {
		if n := testing.AllocsPerRun(100, func() { ask() }); n != 0 {
			t.Errorf("%s: got %v allocations, want none", name, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for name, ask := range questions(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}

func BenchmarkCompiled(b *testing.B) {
	r, _ := catalog.AzureRole(catalog.Contributor)
	b.ReportAllocs()
	for b.Loop() {
		r.Compiled()
	}
}
