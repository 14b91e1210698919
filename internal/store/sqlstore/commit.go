package sqlstore

import (
	"context"
	"fmt"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// slot is the place of a statement in the order in which a commit is written. What makes a commit stale comes first, so
// that staleness is told before a conflict.
type slot int

const (
	makeRelied slot = iota
	checkRelied
	raiseVersions
	editPolicies
	newTenants
	deleteLinksFrom
	deleteLinksTo
	deleteCredentials
	deleteObjects
	emptyBin
	putObjects
	putBin
	unlink
	link
	putCredentials
	clearResources
	clearPolicies
	putResources
	deleteDenials
	putDenials
	newRequests
	putRequests
	nameSchedules
	putSchedules
	putEffects
	newEvents
	newMails
	feedChanges // last, so that who waits for another commit has no number before that one's
	slots       // how many there are
)

func casesTable() table {
	return table{name: "cases", key: 5, columns: append(texts("tenant", "provider", "scope", "role", "principal"),
		column{"version", number})}
}

// commitStatements returns the statement of each slot.
func commitStatements() [slots]statement {
	return [slots]statement{
		makeRelied:        relyNone(),
		checkRelied:       rely(),
		raiseVersions:     raise(),
		editPolicies:      policyEdit(),
		newTenants:        tenantsTable().insert(),
		deleteLinksFrom:   unlinkAll("from_id"),
		deleteLinksTo:     unlinkAll("to_id"),
		deleteCredentials: forget(),
		deleteObjects:     objectsTable().remove(),
		emptyBin:          binTable().remove(),
		putObjects:        objectsTable().upsert(),
		putBin:            binTable().upsert(),
		unlink:            linksTable().remove(),
		link:              linksTable().upsert(),
		putCredentials:    credentialsTable().upsert(),
		clearResources:    clearTree(),
		clearPolicies:     clearRules(),
		putResources:      resourcesTable().upsert(),
		deleteDenials:     denialsTable().remove(),
		putDenials:        denialsTable().upsert(),
		newRequests:       requestsTable().insert(),
		putRequests:       requestsTable().upsert(),
		nameSchedules:     namedUpsert(),
		putSchedules:      schedulesTable().upsert(),
		putEffects:        effectUpsert(),
		newEvents:         eventInsert(),
		newMails:          mailInsert(),
		feedChanges:       changeInsert(),
	}
}

// relyNone makes the rows with version 0 that stand for "still no row", so that there is something to hold on to.
func relyNone() statement {
	s := casesTable().insert()
	s.key = 5
	s.text += " WHERE true ON CONFLICT (tenant, principal, role, scope, provider) DO NOTHING"
	return s
}

// rely holds the versions that a commit rests on. On PostgreSQL a commit that raises one waits for this one, or this one
// for that and then finds it changed.
func rely() statement {
	return statement{exact: true, selects: true, key: 6, columns: casesTable().columns, text: `
		SELECT 1 FROM {{rows}} CROSS JOIN cases c
		WHERE c.tenant = v.tenant AND c.principal = v.principal AND c.role = v.role AND c.scope = v.scope
			AND c.provider = v.provider AND c.version = v.version {{share c}}`}
}

// raise is the version test: a row is raised only from the version that was read. The order keeps two groups that raise
// the same cases from waiting for each other.
func raise() statement {
	s := statement{exact: true, columns: casesTable().columns}
	s.text = `
		INSERT INTO cases (tenant, provider, scope, role, principal, version)
		SELECT v.tenant, v.provider, v.scope, v.role, v.principal, v.version + 1 FROM {{rows}}
		WHERE v.version = 0 OR EXISTS (SELECT 1 FROM cases c
			WHERE c.tenant = v.tenant AND c.principal = v.principal AND c.role = v.role AND c.scope = v.scope
				AND c.provider = v.provider)
		ORDER BY v.tenant, v.principal, v.role, v.scope, v.provider
		ON CONFLICT (tenant, principal, role, scope, provider) DO UPDATE SET version = cases.version + 1
		WHERE cases.version = excluded.version - 1`
	return s
}

// unlinkAll deletes the links of deleted objects. Naming all relations lets the primary key find them.
func unlinkAll(end string) statement {
	return statement{columns: texts("tenant", "id"), text: fmt.Sprintf(`
		DELETE FROM links WHERE (tenant, relation, %s) IN (
			SELECT v.tenant, r.relation, v.id FROM {{rows}}
			CROSS JOIN (SELECT %d AS relation UNION ALL SELECT %d UNION ALL SELECT %d) r)`,
		end, directory.MemberOf, directory.OwnerOf, directory.UnitMember)}
}

func forget() statement {
	return statement{columns: texts("tenant", "id"), text: `
		DELETE FROM credentials WHERE (tenant, principal) IN (SELECT v.tenant, v.id FROM {{rows}})`}
}

// change is a commit with its rows made.
type change struct {
	rows [slots][][]any
	// raises and relies are the versions by case; requests the ids of new ones: by them a group is put together.
	raises, relies map[pim.Key]int64
	// alone says that the order of this commit's and others' rows matters: it is not written in a group.
	alone bool
}

func prepare(c store.Commit) (*change, error) {
	p := &change{raises: map[pim.Key]int64{}, relies: map[pim.Key]int64{}, alone: len(c.Deleted) > 0}
	if c.ValidationOnly {
		return nil, fmt.Errorf("an outcome that is only a validation is not committed")
	}
	if err := p.versions(c); err != nil {
		return nil, err
	}
	if err := p.outcome(c.Outcome); err != nil {
		return nil, err
	}
	for _, e := range c.Entries {
		if err := p.add(newEvents)(eventRow(e)); err != nil {
			return nil, err
		}
	}
	if err := p.directory(c); err != nil {
		return nil, err
	}
	if err := p.resources(c); err != nil {
		return nil, err
	}
	p.feed(c)
	return p, nil
}

// add returns a function that takes what makes a row, for a slot.
func (p *change) add(at slot) func([]any, error) error {
	return func(row []any, err error) error {
		p.rows[at] = append(p.rows[at], row)
		return err
	}
}

// versions notes the case's own version and the others. A commit without a key, such as one of the directory, has none.
func (p *change) versions(c store.Commit) error {
	touches := c.Touches
	if c.Key != (pim.Key{}) {
		touches = append([]pim.Touch{{Key: c.Key, Version: c.Version}}, touches...)
	}
	for _, t := range touches {
		if v, ok := p.raises[t.Key]; ok {
			if v != t.Version {
				return store.ErrStale // read twice, and changed in between
			}
			continue
		}
		p.raises[t.Key] = t.Version
		p.rows[raiseVersions] = append(p.rows[raiseVersions], versionRow(t))
	}
	for _, t := range c.Relies {
		if v, ok := p.raises[t.Key]; ok {
			if v != t.Version {
				return store.ErrStale
			}
			continue
		}
		p.relies[t.Key] = t.Version
		p.rows[checkRelied] = append(p.rows[checkRelied], versionRow(t))
		if t.Version == 0 {
			p.rows[makeRelied] = append(p.rows[makeRelied], versionRow(t))
		}
	}
	return nil
}

func versionRow(t pim.Touch) []any {
	return append(append([]any{string(t.Key.Tenant)}, keyValues(t.Key)...), t.Version)
}

func (p *change) outcome(o pim.Outcome) error {
	if o.Request != nil {
		at := putRequests
		if o.NewRequest {
			at = newRequests
		}
		if err := p.add(at)(requestRow(*o.Request)); err != nil {
			return err
		}
	}
	for _, r := range o.More {
		if err := p.add(putRequests)(requestRow(r)); err != nil {
			return err
		}
	}
	if err := p.schedules(o.Schedules); err != nil {
		return err
	}
	for _, e := range o.Effects {
		if err := p.add(putEffects)(effectRow(e)); err != nil {
			return err
		}
	}
	for _, n := range o.Notices {
		if err := p.add(newMails)(mailRow(pim.NewMail(n))); err != nil {
			return err
		}
	}
	return nil
}

// schedules notes schedules, each once: of several with one id the last.
func (p *change) schedules(list []pim.Schedule) error {
	named := map[scheduleID]int{}
	for _, s := range list {
		row, err := scheduleRow(s)
		if err != nil {
			return err
		}
		if s.Key.Provider != pim.Resource {
			p.rows[putSchedules] = append(p.rows[putSchedules], row)
			continue
		}
		id := scheduleID{s.Key.Tenant, s.ID}
		if at, twice := named[id]; twice {
			p.rows[nameSchedules][at] = row
			continue
		}
		named[id] = len(p.rows[nameSchedules])
		p.rows[nameSchedules] = append(p.rows[nameSchedules], row)
	}
	return nil
}

type scheduleID struct {
	tenant pim.TenantID
	id     pim.ScheduleID
}

func (p *change) directory(c store.Commit) error {
	if c.Tenant != nil {
		p.rows[newTenants] = [][]any{tenantRow(*c.Tenant)}
	}
	if c.Policy != nil {
		if err := p.add(editPolicies)(policyRow(*c.Policy)); err != nil {
			return err
		}
	}
	for _, o := range c.Deleted {
		p.remove(o, emptyBin)
	}
	for _, o := range c.Objects {
		if !o.Deleted.IsZero() {
			p.remove(o)
			if err := p.add(putBin)(binRow(o)); err != nil {
				return err
			}
			continue
		}
		if err := p.add(putObjects)(objectRow(o)); err != nil {
			return err
		}
	}
	for _, l := range c.Unlinks {
		p.rows[unlink] = append(p.rows[unlink], linkKey(l))
		// What follows from a schedule is kept in order by the version of its case; a plain link is not.
		p.alone = p.alone || l.Schedule == ""
	}
	for _, l := range c.Links {
		if err := p.add(link)(linkRow(l)); err != nil {
			return err
		}
	}
	for _, k := range c.Credentials {
		if err := p.add(putCredentials)(credentialRow(k)); err != nil {
			return err
		}
	}
	return nil
}

func (p *change) resources(c store.Commit) error {
	for _, at := range c.Cleared {
		row, err := placeRow(at)
		if err != nil {
			return err
		}
		p.rows[clearResources] = append(p.rows[clearResources], row)
		p.rows[clearPolicies] = append(p.rows[clearPolicies], row)
	}
	for _, n := range c.Resources {
		if err := p.add(putResources)(nodeRow(n)); err != nil {
			return err
		}
	}
	for _, d := range c.Undenied {
		p.rows[deleteDenials] = append(p.rows[deleteDenials], denialKey(d))
	}
	for _, d := range c.Denials {
		if err := p.add(putDenials)(denialRow(d)); err != nil {
			return err
		}
	}
	p.alone = p.alone || len(c.Cleared)+len(c.Undenied) > 0
	return nil
}

// remove takes an object with its links and its credential away.
func (p *change) remove(o directory.Object, also ...slot) {
	row := []any{string(o.Tenant), plain(string(o.ID))}
	for _, at := range append([]slot{deleteLinksFrom, deleteLinksTo, deleteCredentials, deleteObjects}, also...) {
		p.rows[at] = append(p.rows[at], row)
	}
	p.alone = true
}

// group is a set of commits that can be written together: no two raise the same case, and none raises what another
// relies on.
type group struct {
	members []*change
	raises  map[pim.Key]bool
	relies  map[pim.Key]bool
}

func newGroup() *group { return &group{raises: map[pim.Key]bool{}, relies: map[pim.Key]bool{}} }

// take adds a commit, or says that it does not go together with those that are there.
func (g *group) take(c *change) bool {
	if len(g.members) > 0 && (c.alone || g.members[0].alone) {
		return false
	}
	for k := range c.raises {
		if g.raises[k] || g.relies[k] {
			return false
		}
	}
	for k := range c.relies {
		if g.raises[k] {
			return false
		}
	}
	for k := range c.raises {
		g.raises[k] = true
	}
	for k := range c.relies {
		g.relies[k] = true
	}
	g.members = append(g.members, c)
	return true
}

// outdated says whether the commit is stale for sure once the other has been written: it read a version that the
// other has raised.
func (c *change) outdated(other *change) bool {
	for k, raised := range other.raises {
		if v, ok := c.raises[k]; ok && v <= raised {
			return true
		}
		if v, ok := c.relies[k]; ok && v <= raised {
			return true
		}
	}
	return false
}

// merge makes one plan of several commits.
func merge(statements *[slots]statement, members []*change) plan {
	var p plan
	for at := range slots {
		var rows [][]any
		if len(members) == 1 {
			rows = members[0].rows[at]
		} else {
			for _, c := range members {
				rows = append(rows, c.rows[at]...)
			}
		}
		if len(rows) > 0 && statements[at].joined {
			rows = join(rows)
		}
		if len(rows) > 0 {
			p = append(p, step{&statements[at], rows})
		}
	}
	return p
}

// Commit implements store.Cases.
func (s *Store) Commit(ctx context.Context, c store.Commit) error {
	p, err := prepare(c)
	if err != nil {
		return s.fault("commit", err)
	}
	return s.fault("commit", s.db.commit(ctx, p))
}

// CommitAll implements store.Cases.
func (s *Store) CommitAll(ctx context.Context, cs []store.Commit) []error {
	errs := make([]error, len(cs))
	var good []*change
	var at []int
	for i, c := range cs {
		p, err := prepare(c)
		if err != nil {
			errs[i] = s.fault("commit", err)
			continue
		}
		good, at = append(good, p), append(at, i)
	}
	for i, err := range s.db.commitAll(ctx, good) {
		errs[at[i]] = s.fault("commit", err)
	}
	return errs
}
