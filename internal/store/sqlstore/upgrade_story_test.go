package sqlstore_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/store"
	"portcullis/internal/store/storetest"
)

// step is something that a node does with the store.
type step struct {
	name string
	do   func(context.Context, store.Store) error
}

const upgraded pim.TenantID = "upgraded"

func upgradeStart() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

func upgradeKey(n int) pim.Key {
	return pim.Key{Tenant: upgraded, Provider: pim.Directory, Scope: pim.Everywhere, Role: "role", Principal: pim.PrincipalID(fmt.Sprintf("p-%d", n))}
}

func commits(name string, cs ...store.Commit) step {
	return step{name, func(ctx context.Context, s store.Store) error { return errors.Join(s.CommitAll(ctx, cs)...) }}
}

// activates is an activation with what is to be told of it.
func activates(n int, id string) store.Commit {
	k := upgradeKey(n)
	c := storetest.Activation(k, 0, id, upgradeStart())
	c.Notices = []pim.Notice{{
		ID: "notice-" + id, Tenant: upgraded, At: upgradeStart(), Kind: pim.NoticeActivated, Key: k, Grant: pim.Assignment,
		To: []pim.Audience{{Who: policy.ToRequestor}}, Principal: "Alice", RoleName: "Reader", Schedule: pim.ScheduleID(id),
	}}
	return c
}

// ends takes back the schedule of an activation that was the last word in its case.
func ends(n int, id, by string) store.Commit {
	k := upgradeKey(n)
	at := upgradeStart().Add(time.Hour)
	made := storetest.Activation(k, 0, id, upgradeStart())
	over, shut := made.Schedules[0], made.Effects[0]
	over.Ending, over.Ended, over.Open, over.Due, over.Modified = pim.Removed, at, false, time.Time{}, at
	shut.State, shut.Decided, shut.Due = pim.Revoking, at, at
	event := pim.Event{ID: pim.EventID(by), Tenant: upgraded, At: at, Activity: pim.Requested, Success: true, Key: k, Schedule: over.ID}
	return store.Commit{
		Outcome: pim.Outcome{Key: k, Version: 1, Schedules: []pim.Schedule{over}, Effects: []pim.Effect{shut}},
		Entries: []store.Entry{{Event: event, Canonical: []byte(by), Leaf: [32]byte{9}}},
	}
}

// carries leases effects and settles the first of them.
func carries(holder string, at time.Time, limit int) step {
	return step{holder + " carries out effects", func(ctx context.Context, s store.Store) error {
		list, _, err := s.ClaimEffects(ctx, holder, at, at.Add(time.Minute), limit)
		if err != nil || len(list) == 0 {
			return cmp.Or(err, errors.New("no effects are due"))
		}
		after := list[0]
		after.Due, after.State, after.UsableAt = time.Time{}, pim.Usable, at
		if list[0].State == pim.Revoking {
			after.State, after.GoneAt = pim.Gone, at
		}
		entry := store.Entry{Event: pim.Event{ID: pim.EventID(holder + after.ID), Tenant: upgraded, At: at, Activity: pim.DoorOpened}, Canonical: []byte(holder)}
		return s.Settle(ctx, holder, list[0], after, []store.Entry{entry})
	}}
}

// sends leases mails, finds the recipients of the first and settles it.
func sends(holder string, at time.Time) step {
	return step{holder + " sends mails", func(ctx context.Context, s store.Store) error {
		list, _, err := s.ClaimMails(ctx, holder, at, at.Add(time.Minute), 2)
		if err != nil || len(list) == 0 {
			return cmp.Or(err, errors.New("no mails are due"))
		}
		after := list[0]
		after.State, after.Due, after.Settled = pim.MailOver, time.Time{}, at
		more := []pim.Mail{list[0].Notice.Addressed(at, holder+"@example.com", holder+"@example.com", "Alice", "p-1")}
		return s.SettleMail(ctx, holder, after, more, nil)
	}}
}

// keeps uses the vault, the counts of calls and a credential.
func keeps(by string) step {
	return step{by + " keeps secrets and counts", func(ctx context.Context, s store.Store) error {
		end := upgradeStart().Add(24 * time.Hour)
		before := directory.Credential{Tenant: upgraded, Principal: pim.PrincipalID("app-of-" + by), Password: "hash"}
		after := before
		after.TOTPStep = 7
		_, taken := s.TakeSecret(ctx, "idp.code", "gone", upgradeStart())
		if !errors.Is(taken, store.ErrNotFound) {
			return fmt.Errorf("take what is not there: %w", taken)
		}
		return errors.Join(
			s.PutSecret(ctx, "idp.session", by, []byte("one"), end),
			s.AddSecret(ctx, "idp.code", by, []byte("code"), end, upgradeStart()),
			s.SwapSecret(ctx, "idp.session", by, []byte("one"), []byte("two"), end),
			s.AddUses(ctx, []store.Use{{Tenant: upgraded, Dialect: "v2", Application: "app", Route: "GET /x", Count: 2, First: upgradeStart(), Last: end}}),
			s.Commit(ctx, store.Commit{Credentials: []directory.Credential{before}}),
			s.ReplaceCredential(ctx, before, after),
		)
	}}
}

// founds makes the tenant with people, a group, a tree, a denial and a policy.
func founds() step {
	at := upgradeStart()
	c := store.Commit{
		Tenant: &directory.Tenant{ID: upgraded, Name: "Upgraded", Domain: "upgraded.example", Created: at},
		Objects: []directory.Object{{Tenant: upgraded, ID: "group", Kind: directory.KindGroup, DisplayName: "Group", Enabled: true, Created: at,
			Group: &directory.Group{MailNickname: "group", SecurityEnabled: true}}},
		Links:  []directory.Link{{Tenant: upgraded, Relation: directory.MemberOf, From: "group", To: "p-1"}},
		Policy: &store.PolicyEdit{Key: upgradeKey(1).Policy(), Policy: policy.Policy{Version: 1, Rules: policy.ForDirectoryRole()}},
		Denials: []store.Denial{{Tenant: upgraded, Denial: rbac.Denial{ID: "denial", Scope: "/", Name: "No", Everybody: true, Created: at,
			Permissions: []rbac.Permission{{Actions: []string{"A/b/delete"}}}}}},
		Entries: []store.Entry{{Event: pim.Event{ID: "founded", Tenant: upgraded, At: at, Activity: pim.Requested}, Canonical: []byte("founded")}},
	}
	for n := range 8 {
		c.Objects = append(c.Objects, storetest.User(upgraded, upgradeKey(n).Principal))
	}
	return step{"a tenant is founded", func(ctx context.Context, s store.Store) error {
		node, err := resource.Parse("/subscriptions/11111111-2222-4333-8444-555555555555")
		if err != nil {
			return err
		}
		node.Tenant, node.Created, node.Parent = upgraded, at, pim.Everywhere
		c.Resources = []resource.Node{node}
		return s.Commit(ctx, c)
	}}
}

// moves changes the directory: somebody joins the group, another is put into the bin, a third is deleted.
func moves(joins, binned, deleted int) step {
	at := upgradeStart().Add(time.Hour)
	gone := storetest.User(upgraded, upgradeKey(binned).Principal)
	gone.Deleted = at
	return commits("the directory changes", store.Commit{
		Objects: []directory.Object{gone}, Deleted: []directory.Object{storetest.User(upgraded, upgradeKey(deleted).Principal)},
		Links:   []directory.Link{{Tenant: upgraded, Relation: directory.MemberOf, From: "group", To: upgradeKey(joins).Principal}},
		Unlinks: []directory.Link{{Tenant: upgraded, Relation: directory.MemberOf, From: "group", To: upgradeKey(joins + 1).Principal}},
		Entries: []store.Entry{{Event: pim.Event{ID: pim.EventID(fmt.Sprint("moved-", joins)), Tenant: upgraded, At: at, Activity: pim.Requested}, Canonical: []byte("moved")}},
	})
}

// The three parts of the story. The first is told by the old program before the tables are brought up to date, the second by the new
// one, the third by the old one again, which has not been stopped.
func firstSteps() []step {
	at := upgradeStart()
	return []step{
		founds(), commits("one activates", activates(1, "old-1")), commits("several activate at once", activates(2, "old-2"), activates(3, "old-3")),
		carries("old", at.Add(time.Second), 2), sends("old", at.Add(time.Second)), keeps("old"),
		commits("one deactivates", ends(2, "old-2", "old ended")),
	}
}

func newSteps() []step {
	at := upgradeStart().Add(2 * time.Hour)
	return []step{
		commits("one activates", activates(4, "new-4")), commits("several activate at once", activates(5, "new-5"), activates(6, "new-6")),
		commits("what the old program gave is taken back", ends(3, "old-3", "new ended")),
		carries("new", at, 2), sends("new", at), keeps("new"), moves(4, 7, 0),
	}
}

func besideSteps() []step {
	at := upgradeStart().Add(4 * time.Hour)
	return append(readSteps(),
		commits("what the new program gave is taken back", ends(4, "new-4", "beside ended")), commits("one activates again", activates(7, "old-7")),
		carries("beside", at, 2), sends("beside", at), keeps("beside"), moves(5, 6, 3),
	)
}

// readSteps are the readings as steps.
func readSteps() (all []step) {
	for _, r := range readings() {
		all = append(all, step{r.name, func(ctx context.Context, s store.Store) error {
			_, err := r.read(ctx, s)
			return err
		}})
	}
	return all
}

// reading is a question, with its answer in an order that does not depend on the store.
type reading struct {
	name string
	read func(context.Context, store.Store) (any, error)
}

func readings() []reading {
	at := upgradeStart().Add(3 * time.Hour)
	q := store.Query{Tenant: upgraded, Limit: 100}
	needs := make([]pim.Need, 8)
	for n := range needs {
		needs[n] = pim.Need{Key: upgradeKey(n)}
	}
	return []reading{
		{"tenants", func(ctx context.Context, s store.Store) (any, error) { return s.Tenants(ctx) }},
		{"a case", func(ctx context.Context, s store.Store) (any, error) { return s.Case(ctx, needs[4]) }},
		{"all cases", func(ctx context.Context, s store.Store) (any, error) { return s.Cases(ctx, needs) }},
		{"what is due", func(ctx context.Context, s store.Store) (any, error) {
			due, _, err := s.Due(ctx, at.Add(24*time.Hour), 100)
			slices.SortFunc(due, func(a, b store.Due) int { return cmp.Compare(a.Schedule, b.Schedule) })
			return due, err
		}},
		{"requests", func(ctx context.Context, s store.Store) (any, error) { return rowsOf(s.Requests(ctx, q)) }},
		{"schedules", func(ctx context.Context, s store.Store) (any, error) { return rowsOf(s.Schedules(ctx, q)) }},
		{"effects", func(ctx context.Context, s store.Store) (any, error) { return rowsOf(s.Effects(ctx, q)) }},
		{"events", func(ctx context.Context, s store.Store) (any, error) { return rowsOf(s.Events(ctx, q)) }},
		{"mails", func(ctx context.Context, s store.Store) (any, error) { return rowsOf(s.Mails(ctx, q)) }},
		{"objects", func(ctx context.Context, s store.Store) (any, error) { return rowsOf(s.Objects(ctx, q)) }},
		{"the bin", func(ctx context.Context, s store.Store) (any, error) { return rowsOf(s.Bin(ctx, q)) }},
		{"members", func(ctx context.Context, s store.Store) (any, error) {
			return s.Links(ctx, upgraded, directory.MemberOf, "group", "")
		}},
		{"policies", func(ctx context.Context, s store.Store) (any, error) {
			return s.PoliciesAt(ctx, pim.RoleKey{Tenant: upgraded, Provider: pim.Directory, Scope: pim.Everywhere})
		}},
		{"resources", func(ctx context.Context, s store.Store) (any, error) { return rowsOf(s.Resources(ctx, q)) }},
		{"denials", func(ctx context.Context, s store.Store) (any, error) { return rowsOf(s.Denials(ctx, q)) }},
		{"uses", func(ctx context.Context, s store.Store) (any, error) { return s.Uses(ctx, upgraded) }},
		{"secrets", func(ctx context.Context, s store.Store) (any, error) {
			var all []string
			for _, by := range []string{"old", "new"} {
				b, err := s.GetSecret(ctx, "idp.session", by, at)
				if err != nil {
					return nil, err
				}
				all = append(all, string(b))
			}
			return all, nil
		}},
		{"credentials", func(ctx context.Context, s store.Store) (any, error) {
			return s.Credential(ctx, upgraded, "app-of-new")
		}},
		{"what lives", readLive},
	}
}

func rowsOf[T any](p store.Page[T], err error) (any, error) { return p.Rows, err }

// readLive is what a node fills its memory with.
func readLive(ctx context.Context, s store.Store) (any, error) {
	var all []string
	add := func(v any) { all = append(all, fmt.Sprintf("%+v", v)) }
	err := errors.Join(s.LiveSchedules(ctx, upgradeStart().Add(3*time.Hour), func(s pim.Schedule) error { add(s.ID); return nil }),
		s.LiveLinks(ctx, func(l directory.Link) error { add(l); return nil }))
	slices.Sort(all)
	return all, err
}
