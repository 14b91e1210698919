package sample

import (
	"context"
	"fmt"

	"portcullis/internal/app"
	"portcullis/internal/catalog"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/resource"
)

// tree makes what the organisation owns: a shop, its payroll and a laboratory, in two management groups and three subscriptions.
func (b *builder) tree() {
	top := b.managementGroup("brightwater", "Brightwater Foods", pim.Everywhere)
	production := b.managementGroup("production", "Production", top)
	shop := b.subscription("shop", "Web shop", production)
	payroll := b.subscription("payroll", "Payroll", production)
	lab := b.subscription("lab", "Laboratory", top)
	web := b.resourceGroup(shop, "web")
	b.resource(web, "Portcullis.Targets/hosts", "web-1")
	b.resource(web, "Portcullis.Targets/clusters", "kiosk")
	data := b.resourceGroup(shop, "data")
	b.resource(data, "Portcullis.Targets/databases", "orders")
	ledger := b.resourceGroup(payroll, "ledger")
	b.resource(ledger, "Portcullis.Targets/databases", "salaries")
	bench := b.resourceGroup(lab, "bench")
	b.resource(bench, "Portcullis.Targets/hosts", "oven")
	b.resourceGrants(top, production, shop, payroll, lab)
}

func (b *builder) node(path, title string, parent pim.Scope) pim.Scope {
	n, err := resource.ParseFor(b.Tenant.ID, path)
	if err != nil {
		panic("sample: " + err.Error()) // the paths are those of tree, above
	}
	if n.DisplayName = title; parent != "" {
		n.Parent = parent
	}
	b.Tree = append(b.Tree, n)
	return n.Scope
}

func (b *builder) managementGroup(name, title string, parent pim.Scope) pim.Scope {
	return b.node("/providers/"+resource.ManagementGroupType+"/"+name, title, parent)
}

func (b *builder) subscription(key, title string, parent pim.Scope) pim.Scope {
	id := b.id("subscription", key)
	b.Subscriptions[key] = id
	return b.node("/subscriptions/"+id, title, parent)
}

// resourceGroup makes a resource group and returns its path, spelt as people spell it.
func (b *builder) resourceGroup(subscription pim.Scope, name string) string {
	path := string(subscription) + "/resourceGroups/" + name
	b.node(path, "", "")
	return path
}

func (b *builder) resource(group, typ, name string) {
	b.node(group+"/providers/"+typ+"/"+name, "", "")
	b.Tree[len(b.Tree)-1].Tags = map[string]string{"owner": "it"}
}

// resourceGrants says who has and may have what there. Pat owns all of it; who would change the ledger needs one of two to agree.
func (b *builder) resourceGrants(top, production, shop, payroll, lab pim.Scope) {
	p, ledger := b.People, payroll+"/resourcegroups/ledger"
	b.Owner = p["pat"]
	b.held(pim.Assignment, catalog.Reader, p["aud"], top, "P180D")
	b.held(pim.Eligibility, catalog.Owner, p["gus"], production, "P90D")
	b.held(pim.Eligibility, catalog.Contributor, p["sam"], shop, "P180D")
	b.held(pim.Eligibility, catalog.Contributor, p["amira"], ledger, "P180D")
	b.held(pim.Eligibility, catalog.Reader, p["ben"], ledger, "P180D")
	b.held(pim.Eligibility, catalog.UserAccessAdministrator, p["eve"], payroll, "P90D")
	b.held(pim.Eligibility, catalog.Contributor, b.Groups["application-owners"], lab, "P180D")
	b.Policies = append(b.Policies, PolicyEdit{
		Key: pim.RoleKey{Tenant: b.Tenant.ID, Provider: pim.Resource, Scope: ledger, Role: catalog.Contributor},
		Edit: func(r *policy.Rules) error {
			r.Approval.Required = true
			r.Approval.Stages[0].Approvers = []policy.Approver{
				{Kind: policy.User, ID: string(p["ana"]), Description: "Ana Ferreira"},
				{Kind: policy.User, ID: string(p["ben"]), Description: "Ben Achterberg"},
			}
			return nil
		},
	})
}

// held notes that a principal gets a role on a resource.
func (b *builder) held(kind pim.Kind, r pim.RoleID, who pim.PrincipalID, at pim.Scope, duration string) {
	b.Grants = append(b.Grants, Grant{
		Key:  pim.Key{Tenant: b.Tenant.ID, Provider: pim.Resource, Scope: at, Role: r, Principal: who},
		Kind: kind, Duration: duration,
	})
}

// plant brings the tree in, as an organisation begins: its administrator takes access to all resources, makes somebody their owner,
// who does the rest, and loses that access again.
func (o Organisation) plant(ctx context.Context, a *app.App) error {
	if len(o.Tree) == 0 {
		return nil
	}
	if err := a.ElevateAccess(ctx, o.caller(a, o.Administrator), o.Tenant.ID); err != nil {
		return fmt.Errorf("elevate: %w", err)
	}
	root := func(r pim.RoleID, who pim.PrincipalID) pim.Key {
		return pim.Key{Tenant: o.Tenant.ID, Provider: pim.Resource, Scope: pim.Everywhere, Role: r, Principal: who}
	}
	// The administrator holds more than a moment ago, so the caller is made anew.
	_, err := a.Do(ctx, pim.Ask{By: o.caller(a, o.Administrator), Action: pim.AssignOutside, Kind: pim.Assignment,
		Key: root(catalog.Owner, o.Owner), Description: "Owner of everything"})
	if err != nil {
		return fmt.Errorf("the owner of the resources: %w", err)
	}
	if _, err := a.ImportTree(ctx, o.caller(a, o.Owner), o.Tenant.ID, o.Tree); err != nil {
		return fmt.Errorf("the tree of resources: %w", err)
	}
	_, err = a.Do(ctx, pim.Ask{By: o.caller(a, o.Owner), Action: pim.RemoveOutside, Kind: pim.Assignment,
		Key: root(catalog.UserAccessAdministrator, o.Administrator)})
	if err != nil {
		return fmt.Errorf("take elevated access away: %w", err)
	}
	return nil
}
