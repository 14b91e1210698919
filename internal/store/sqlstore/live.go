package sqlstore

import (
	"context"
	"fmt"
	"time"

	"portcullis/internal/directory"
	"portcullis/internal/pim"
	"portcullis/internal/rbac"
	"portcullis/internal/resource"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// The columns that memory is filled with. All else in these rows is left where it is: there may be millions.

func liveSchedule() []column {
	return append(texts("tenant", "id", "provider", "scope", "role", "principal", "request", "eligibility", "doc"),
		column{"kind", number}, column{"type", number}, column{"start_at", number}, column{"until_at", number})
}

func liveLink() []column {
	return append(texts("tenant", "from_id", "to_id", "schedule", "doc"), column{"start_at", number}, column{"end_at", number})
}

func liveName() []column {
	return append(texts("tenant", "id", "principal_name", "client_id", "external_id"), column{"kind", number})
}

// LiveSchedules implements store.Lists.
func (s *Store) LiveSchedules(ctx context.Context, now time.Time, yield func(pim.Schedule) error) error {
	err := s.db.stream(ctx, stream{
		sql:     "SELECT " + names(liveSchedule(), "") + " FROM schedules WHERE ending = 0 AND end_at > $1",
		args:    []any{stamp(now)},
		columns: liveSchedule(),
		each: func(c *liveRow) error {
			t, n := c.texts, c.numbers[9:]
			r := pim.Schedule{
				ID: pim.ScheduleID(t[1]), Kind: pim.Kind(n[0]), Type: pim.AssignmentType(n[1]),
				Key: pim.Key{
					Tenant: pim.TenantID(t[0]), Provider: pim.Provider(t[2]), Scope: pim.Scope(t[3]), Role: pim.RoleID(t[4]),
					Principal: pim.PrincipalID(t[5]),
				},
				Window:  schedule.Window{Start: instant(n[2]), End: instant(n[3])},
				Request: pim.RequestID(t[6]), Eligibility: pim.ScheduleID(t[7]),
			}
			if d := t[8]; d != "" {
				full := r
				if err := completeSchedule(&full, d); err != nil {
					return err
				}
				r.Window, r.Condition = full.Window, full.Condition
			}
			return yield(r)
		}})
	return s.fault("read the live schedules", err)
}

// LiveLinks implements store.Lists.
func (s *Store) LiveLinks(ctx context.Context, yield func(directory.Link) error) error {
	err := s.db.stream(ctx, stream{
		sql:     "SELECT " + names(liveLink(), "") + " FROM links WHERE relation = $1",
		args:    []any{int64(directory.MemberOf)},
		columns: liveLink(),
		each: func(c *liveRow) error {
			t, n := c.texts, c.numbers[5:]
			l := directory.Link{
				Tenant: pim.TenantID(t[0]), Relation: directory.MemberOf, From: pim.PrincipalID(t[1]), To: pim.PrincipalID(t[2]),
				Schedule: pim.ScheduleID(t[3]), Window: schedule.Window{Start: instant(n[0]), End: instant(n[1])},
			}
			if err := completeLink(&l, t[4]); err != nil {
				return err
			}
			return yield(l)
		}})
	return s.fault("read the memberships", err)
}

// LiveNames implements store.Lists.
func (s *Store) LiveNames(ctx context.Context, principals func(directory.Object) error) error {
	err := s.db.stream(ctx, stream{
		sql: fmt.Sprintf("SELECT %s FROM objects WHERE kind IN (%d, %d, %d)", names(liveName(), ""),
			directory.KindUser, directory.KindGroup, directory.KindServicePrincipal),
		columns: liveName(),
		each: func(c *liveRow) error {
			t := c.texts
			o := directory.Object{Tenant: pim.TenantID(t[0]), ID: pim.PrincipalID(t[1]), Kind: directory.Kind(c.numbers[5]), ExternalID: t[4]}
			switch o.Kind {
			case directory.KindUser:
				o.User = &directory.User{PrincipalName: t[2]}
			case directory.KindGroup:
				o.Group = &directory.Group{}
			case directory.KindServicePrincipal:
				o.App = &directory.App{ClientID: t[3]}
			case directory.KindAdministrativeUnit, directory.KindRole, directory.KindResourceRole:
				return nil // not asked for
			}
			return principals(o)
		}})
	return s.fault("read the names of principals", err)
}

// LiveResources implements store.Resources.
func (s *Store) LiveResources(ctx context.Context, containers func(resource.Node) error, roles func(pim.TenantID, rbac.Role) error, denials func(store.Denial) error) error {
	for _, q := range []question{
		{
			sql: fmt.Sprintf("SELECT %s FROM resources WHERE kind IN (%d, %d)", resourcesTable().list(""), resource.ManagementGroup, resource.Subscription),
			each: func(row scan) error {
				n, err := scanNode(row)
				if err != nil {
					return err
				}
				return containers(n)
			},
		},
		{
			sql: fmt.Sprintf("SELECT %s FROM objects WHERE kind = %d", objectsTable().list(""), directory.KindResourceRole),
			each: func(row scan) error {
				o, err := scanObject(row)
				if err != nil {
					return err
				}
				r, ok := o.Definition()
				if !ok {
					return fmt.Errorf("the object %s is no role of resources", o.ID)
				}
				return roles(o.Tenant, r)
			},
		},
		{
			sql: "SELECT " + denialsTable().list("") + " FROM denials",
			each: func(row scan) error {
				d, err := scanDenial(row)
				if err != nil {
					return err
				}
				return denials(d)
			},
		},
	} {
		if err := s.db.browse(ctx, q); err != nil {
			return s.fault("read what is known of resources", err)
		}
	}
	return nil
}
